/* Takes the lengths out from between the data chunks of an archive (_WriteData and
 * _readBlockHeader in PostgreSQL's pg_backup_custom.c). pg_dump writes about one chunk per row,
 * and a loop over rows is what Python is slow at. chunks.py says the same in Python.
 */
#define Py_LIMITED_API 0x030B0000 /* the stable ABI of 3.11 and newer */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#define LONGEST_CHUNK ((size_t)1 << 30)

static PyObject *
unwrap(PyObject *module, PyObject *args)
{
    Py_buffer source, target;
    Py_ssize_t start, stop, position, written = 0, rows = 0;
    int int_size, ended = 0, damaged = 0, misused;

    if (!PyArg_ParseTuple(args, "y*nnw*i:unwrap", &source, &start, &stop, &target, &int_size))
        return NULL;
    position = start;
    misused = start < 0 || stop < start || stop > source.len || (int_size != 4 && int_size != 8);
    if (!misused) {
        const unsigned char *in = source.buf;
        unsigned char *out = target.buf;
        const Py_ssize_t header = 1 + int_size;

        Py_BEGIN_ALLOW_THREADS
        while (stop - position >= header) {
            size_t length = 0;
            for (int i = int_size; i > 0; i--)
                length = length << 8 | in[position + i];
            if (length > LONGEST_CHUNK || (length && in[position])) {
                damaged = 1;
                break;
            }
            if (length == 0) {
                position += header;
                ended = 1;
                break;
            }
            if ((size_t)(stop - position - header) < length
                || (size_t)(target.len - written) < length)
                break;
            memcpy(out + written, in + position + header, length);
            position += header + length;
            written += length;
        }
        for (Py_ssize_t i = 0; i < written; i++)
            rows += out[i] == '\n';
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&source);
    PyBuffer_Release(&target);
    if (misused) {
        PyErr_SetString(PyExc_ValueError, "positions outside of the source");
        return NULL;
    }
    if (damaged) {
        PyErr_SetString(PyExc_ValueError, "not the length of a chunk");
        return NULL;
    }
    return Py_BuildValue("(nnnO)", position, written, rows, ended ? Py_True : Py_False);
}

static PyMethodDef methods[] = {
    {"unwrap", unwrap, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_chunks", NULL, 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__chunks(void)
{
    return PyModuleDef_Init(&definition);
}
