"""The text format: what is written is what a parser reads, whatever a name holds."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from agentarmy_ops.observability.exposition import Part, gauge, labels_of

HOSTILE = 'a"b\\c\nd{e="f"} 1\r# TYPE x counter\\n\u2028\t'


def test_the_lines_of_a_gauge() -> None:
    samples = [(labels_of({"tenant_id": "t1", "verdict": "failed"}), 1), ("", 2.5)]
    assert list(gauge("agentarmy_x", "What it is.", samples)) == [
        "# HELP agentarmy_x What it is.\n# TYPE agentarmy_x gauge\n",
        'agentarmy_x{tenant_id="t1",verdict="failed"} 1\n',
        "agentarmy_x 2.5\n",
    ]


def test_a_gauge_without_samples_is_not_there() -> None:
    assert list(gauge("agentarmy_x", "What it is.", [])) == []


@pytest.mark.parametrize("value", [0, 1, 10**13, 0.1, 1e-7, 1e22, 1795212345.678])
def test_numbers_are_exact(value: float) -> None:
    (family,) = text_string_to_metric_families("".join(gauge("x", "y", [("", value)])))
    assert family.samples[0].value == value


@given(st.text(st.characters(codec="utf-8")) | st.just(HOSTILE))
def test_any_text_may_be_a_label(value: str) -> None:
    text = "".join(gauge("x", "y", [(labels_of({"slug": value, "state": "s"}), 1)]))
    (family,) = text_string_to_metric_families(text)
    (sample,) = family.samples
    assert sample.labels == {"slug": value, "state": "s"}


@pytest.mark.parametrize("rest", [b"", b"rest\n", b"r" * 100_000])
@pytest.mark.parametrize("text", [b"", b"text\n", bytes(range(256)) * 1000])
def test_parts_are_one_gzip_member(text: bytes, rest: bytes) -> None:
    part = Part(text)
    compressed = part.gzip_with(rest)
    assert gzip.decompress(compressed) == text + rest
    reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    assert reader.decompress(compressed) == text + rest
    assert reader.eof
    assert reader.unused_data == b""
    # And again, with another rest.
    assert gzip.decompress(part.gzip_with(b"other")) == text + b"other"


def test_it_is_compressed() -> None:
    part = Part(b"agentarmy_backup_rows 1\n" * 10_000)
    assert len(part.gzip_with(b"agentarmy_build_info 1\n" * 10_000)) < 5_000
