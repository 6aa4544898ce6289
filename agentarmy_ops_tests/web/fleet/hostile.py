"""Names that tenants may have: the registry takes any text."""

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "quotes": '" onmouseover="alert(1)" x=\'',
    "template": "{{ 7 * 7 }}{% raw %}",
    "entity": "&lt;b&gt; &amp;",
    "comment": "--> <!-- ]]>",
    "closes": "</title></svg></table></body>",
    "right-to-left": "\u202e\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f600",
    "control": "a\x1b[31mb\x07\x7f",
    "long": "x" * 5000,
    "many-words": "Long " * 1000,
}
