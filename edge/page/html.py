"""The page as HTML: no script, nothing from elsewhere, readable on a phone."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Final

from contract.messages import Tone
from edge.page.state import UNCOVERED, BedLine, Concern, PageState
from edge.page.words import LANGUAGES, Words

RENEW_S: Final = 5
"""Seconds between reloads: an alarm is on the page well before its siren (15 s), and a finger
still finds the button."""

STYLE: Final = """
:root{color-scheme:dark light;--ground:#0e1318;--card:#182028;--line:#33404d;--text:#f3f6f8;
--quiet:#b6c2cd;--red:#a81c17;--amber:#6b4700;--calm:#10251d;--calm-text:#86e5b8;--warn:#ffc966;
--go:#f3f6f8;--on-go:#0e1318}
@media(prefers-color-scheme:light){:root{--ground:#eef1f4;--card:#fff;--line:#c3ccd4;
--text:#10161c;--quiet:#3f4b57;--calm:#e2f4ea;--calm-text:#0d5434;--warn:#6b4700;--go:#10161c;
--on-go:#fff}}
*{box-sizing:border-box;margin:0}
body{background:var(--ground);color:var(--text);padding:.75rem;max-width:44rem;margin:0 auto;
font:1.0625rem/1.4 system-ui,"Noto Sans","PingFang HK","Microsoft JhengHei",
"Noto Sans CJK TC",sans-serif;overflow-wrap:anywhere}
header{display:flex;justify-content:space-between;gap:.75rem;align-items:center;min-height:2.75rem}
h1{font-size:1.125rem}h2{font-size:1.0625rem;padding-bottom:.25rem}
a{color:inherit}header a{padding:.5rem .75rem;border:1px solid var(--line);border-radius:.625rem;
text-decoration:none;white-space:nowrap}
section,.bar{background:var(--card);border:1px solid var(--line);border-radius:1rem;
padding:.75rem 1rem;margin-top:.75rem}
.bar{border:0;font-weight:650;background:var(--amber);color:#fff3da}.bar.alarm{background:var(--red);color:#fff}
.open{border:3px solid var(--red);padding:0 0 .75rem;overflow:hidden}
.open .band{background:var(--red);color:#fff;padding:.5rem 1rem;font-size:1.25rem;font-weight:700}
.bed{font-size:2.5rem;font-weight:800;line-height:1.15;padding:.25rem 1rem}
.open p{padding:0 1rem}
.open form{padding:.5rem .75rem 0}
button{width:100%;min-height:5rem;border:0;border-radius:.875rem;background:var(--go);
color:var(--on-go);font:inherit;font-size:1.75rem;font-weight:750;cursor:pointer}
button small{display:block;font-size:1rem;font-weight:500}
button:focus-visible,a:focus-visible{outline:3px solid var(--warn);outline-offset:2px}
.calm{background:var(--calm);color:var(--calm-text);text-align:center}
.calm p:first-child{font-size:1.5rem;font-weight:700}
.quiet{color:var(--quiet);font-size:.9375rem}.warn{color:var(--warn);font-weight:650}
ul{list-style:none;padding:0}li{padding:.375rem 0}li+li{border-top:1px solid var(--line)}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.375rem}
.grid li{border:1px solid var(--line);border-radius:.625rem;padding:.375rem .625rem}
footer{padding:.75rem 0;text-align:center}
"""

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Nothing runs, nothing is loaded: a bed's label with markup in it stays a label."""


def render(state: PageState, words: Words, token: str, said: str | None = None) -> str:
    """The whole page.

    Parameters
    ----------
    token
        Goes with each form: only who could read this page may press its button.
    said
        What became of the press before, a key of the texts.
    """
    out = [p for p in state.beds if p.causes]
    monitored = [p for p in state.beds if not p.causes]
    parts = [
        _siren(state, words),
        f'<p class="bar">{escape(words(said))}</p>' if said else "",
        *(_concern(each, words, token) for each in state.concerns),
        "" if any(each.stand in UNCOVERED for each in state.concerns) else _calm(state, words),
        _beds(out, "beds_out", words, listed=True),
        _connection(state, words),
        _faults(state, words),
        _beds(monitored, "beds_in", words, listed=False),
        "" if state.beds else f'<section class="warn">{escape(words("no_beds"))}</section>',
        f'<footer class="quiet">{escape(words("from", time=state.time))}</footer>',
    ]
    zone = f" · {state.zone}" if state.zone else ""
    heading = escape(words("title", gateway=f"{state.gateway}{zone}"))
    others = "".join(
        f'<a href="/?lang={code}" lang="{code}">{name}</a>'
        for code, name in LANGUAGES.items()
        if code != words.language
    )
    return document(
        words, f"<header><h1>{heading}</h1>{others}</header>{''.join(parts)}", renews=True
    )


def refusal(words: Words, said: str) -> str:
    """A page that says why a press was not taken."""
    back = f'<p><a href="/?lang={words.language}">{escape(words("back"))}</a></p>'
    return document(words, f'<section><p class="warn">{escape(words(said))}</p>{back}</section>')


def document(words: Words, body: str, *, renews: bool = False) -> str:
    """The frame around a page's body."""
    language = "zh-Hant-HK" if words.language != "en" else "en"
    renewal = (
        f'<meta http-equiv="refresh" content="{RENEW_S};url=/?lang={words.language}">'
        if renews
        else ""
    )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">{renewal}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Wardlight</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )


def _siren(state: PageState, words: Words) -> str:
    if state.order is None:
        return ""
    alarm = " alarm" if state.order.tone is not Tone.TEST else ""
    why = words(f"tone_{state.order.tone.value}")
    return f'<p class="bar{alarm}" role="alert">{escape(words("sounds", why=why))}</p>'


def _concern(concern: Concern, words: Words, token: str) -> str:
    kind, stand = escape(words.kind(concern.kind)), escape(words(concern.stand.value))
    age = ""
    if concern.since_s is not None:
        age = (
            f' <span class="quiet">{escape(words("since", age=words.age(concern.since_s)))}</span>'
        )
    bed = escape(concern.bed)
    if concern.stand not in UNCOVERED:
        return f"<section><p><b>{bed}</b> · {kind}{age}</p><p>{stand}</p></section>"
    fields = {"token": token, "name": concern.name, "lang": words.language}
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in fields.items()
    )
    going = escape(words("acknowledge_help", bed=concern.bed))
    return (
        f'<section class="open"><p class="band">{kind}</p><p class="bed">{bed}</p>'
        f'<p class="warn">{stand}{age}</p><form method="post" action="/acknowledge">{hidden}'
        f"<button>{escape(words('acknowledge'))}<small>{going}</small></button></form></section>"
    )


def _calm(state: PageState, words: Words) -> str:
    if state.alerts_missing:
        return f'<section><p class="warn">{escape(words("calm_but"))}</p></section>'
    calm, detail = escape(words("calm")), escape(words("calm_detail"))
    return f'<section class="calm"><p>{calm}</p><p>{detail}</p></section>'


def _beds(beds: list[BedLine], title: str, words: Words, *, listed: bool) -> str:
    if not beds:
        return ""
    lines = "".join(f"<li>{_bed(each, words)}</li>" for each in beds)
    kind = "" if listed else ' class="grid"'
    head = f"{escape(words(title))} ({len(beds)})"
    warn = ' class="warn"' if listed else ""
    return f"<section><h2{warn}>{head}</h2><ul{kind}>{lines}</ul></section>"


def _bed(line: BedLine, words: Words) -> str:
    told = [words.cause(cause) for cause in line.causes]
    if line.heard_s is None:
        told.append(words("never_heard"))
    else:
        told.append(words("heard", age=words.age(line.heard_s)))
    if line.battery_percent is not None:
        told.append(words("battery", percent=line.battery_percent))
    low = f' <span class="warn">{escape(words.cause("battery_low"))}</span>' * line.battery_low
    return (
        f'<b>{escape(line.bed)}</b>{low}<br><span class="quiet">{escape(" · ".join(told))}</span>'
    )


def _connection(state: PageState, words: Words) -> str:
    lines: list[tuple[str, bool]] = []
    if state.alerts_missing:
        lines.append((words("alerts_missing", age=words.age(state.alerts_s)), True))
    elif not state.alerts_heard:
        lines.append((words("alerts_never"), False))
    else:
        lines.append((words("alerts_heard", age=words.age(state.alerts_s)), False))
    lines.append((words("broker_yes" if state.broker else "broker_no"), not state.broker))
    waiting = [words("outbox", events=state.waiting, batches=state.telemetry_waiting)]
    if state.waiting:
        waiting.append(words("outbox_oldest", age=words.age(state.oldest_s)))
    if state.receipt_s is None:
        waiting.append(words("receipt_never"))
    else:
        waiting.append(words("receipt", age=words.age(state.receipt_s)))
    lines.append((" · ".join(waiting), False))
    lines.append((words("clock_set" if state.synced else "clock_not_set"), not state.synced))
    listed = "".join(
        f"<li{' class=warn' if warns else ''}>{escape(text)}</li>" for text, warns in lines
    )
    return f"<section><h2>{escape(words('server'))}</h2><ul>{listed}</ul></section>"


def _faults(state: PageState, words: Words) -> str:
    if not state.faults:
        return ""
    listed = "".join(f"<li>{escape(words.cause(each.cause))}</li>" for each in state.faults)
    return f'<section><h2 class="warn">{escape(words("faults"))}</h2><ul>{listed}</ul></section>'
