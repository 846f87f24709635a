"""The report: one page of figures and curves, and one for each set with every miss and every
false alarm. Whole in themselves: no script, and nothing is loaded from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from contract.events import EventKind
from evaluation.falls.curve import Impact, trade_off
from evaluation.falls.hearing import Heard
from evaluation.falls.models import JudgedModel
from evaluation.falls.pictures import alarms_picture, trade_off_picture, waveform
from evaluation.falls.scoring import Counts, SetFigures, Tier, TrialName, judge, name_of
from evaluation.falls.words import about_model, about_set

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#5b6570;--paper:#fff;--edge:#d5dae0;
--wave:#2463a8;--mark:#cfe6cf;--said:#b3261e;--point:#b3261e;--candidate:#8a5a00}
@media(prefers-color-scheme:dark){:root{--ink:#e7eaee;--dim:#9aa5b1;--paper:#14181d;--edge:#333b45;
--wave:#7fb4ee;--mark:#23452a;--said:#ff8a80;--point:#ff8a80;--candidate:#e0b252}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:72rem;background:var(--paper);color:var(--ink);
font:16px/1.45 system-ui,sans-serif}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}h3{font-size:1rem;margin:.5rem 0 0}
p{max-width:44rem;overflow-wrap:anywhere}.dim{color:var(--dim)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.85rem}
th,td{padding:.25rem .4rem;border-bottom:1px solid var(--edge);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left;white-space:normal}
.cards{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr))}
figure{margin:0;border:1px solid var(--edge);border-radius:.4rem;padding:.5rem}
figure.curve{max-width:34rem}
figcaption{font-size:.85rem;overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block}
svg text{fill:var(--dim);font:9px system-ui,sans-serif}
.grid{stroke:var(--edge);stroke-width:.6}
polyline{fill:none;stroke:var(--wave);stroke-width:1;stroke-linejoin:round}
polyline.curve{stroke-width:1.6}
.mark{fill:var(--mark)}.said{stroke:var(--said);stroke-width:1.2;stroke-dasharray:4 2}
.point{fill:var(--point)}.candidate{fill:none;stroke:var(--candidate);stroke-width:1.4}
a{color:var(--wave)}
"""

LEGEND: Final = (
    "Each drawing is the length of the acceleration, |a| in g, as it was recorded. Shaded: the "
    "hand-made mark of the fall. Dashed: an impact that the gateway reported. Rings: what passed "
    "the screen; point at one for its score."
)

LONGEST_NAME: Final = 80
"""Characters of a set's name in its page's; file systems end at 255 bytes."""


class SetReport(NamedTuple):
    """All that is shown of one set."""

    name: str
    figures: SetFigures
    heard: Sequence[Heard]
    impacts: Sequence[Sequence[Impact]]
    """Of each of `heard`: what passed the screen."""
    in_training: frozenset[TrialName]
    """Trials of people whom the model has seen."""


def write_report(folder: Path, sets: Sequence[SetReport], model: JudgedModel, asked: str) -> Path:
    """Write the pages.

    Parameters
    ----------
    folder
        Made if it is missing.
    sets
        In the order in which they are shown.
    model
        Which was judged.
    asked
        How it was run, in words.

    Returns
    -------
    Path
        The first page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    body = [f"<h1>Falls: an evaluation</h1><p>{escape(asked)}</p>"]
    body.append(f'<p class="dim">Model {escape(model.hash)}</p>')
    body += [f"<p>{escape(remark)}</p>" for remark in about_model(model)]
    for number, each in enumerate(sets, start=1):
        file = _file_of(number, each.name)
        body.append(_section(each, file))
        page = _page(f"{each.name}: misses and false alarms", _waveforms(each))
        (folder / file).write_text(page, "utf-8")
    first = folder / "index.html"
    first.write_text(_page("Falls: an evaluation", body), "utf-8")
    return first


def _page(title: str, body: Iterable[str]) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"{''.join(body)}</body></html>\n"
    )


def _file_of(number: int, name: str) -> str:
    """Numbered: names may differ only in what a file's cannot hold."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:LONGEST_NAME]
    return f"set-{number}-{plain}.html"


# -- figures ----------------------------------------------------------------------------------


def _section(each: SetReport, file: str) -> str:
    figures = each.figures
    parts = [f"<h2>{escape(each.name)}</h2>"]
    about = f"Worn at the {figures.placement}, over the transport {figures.transport}."
    parts.append(f"<p>{escape(' '.join([about, *about_set(figures)]))}</p>")
    if figures.trials:
        parts.append(_table(figures.tiers))
    if figures.in_training is not None:
        parts.append(
            "<h3>With people whom the model was trained on</h3>"
            f"<p>{len(figures.in_training.people)} people of this set were used in training. These "
            "figures count them in and are no estimate for other people.</p>"
        )
        parts.append(_table(figures.in_training.tiers))
    parts.append(_curve(each))
    tier = _widest(figures)
    parts.append(_details("By activity", _counts(tier.by_activity)))
    parts.append(_details("By person", _counts(tier.by_subject)))
    parts.append(f'<p><a href="{file}">Every miss and every false alarm</a></p>')
    return "".join(parts)


def _widest(figures: SetFigures) -> Tier:
    """Of all the trials that are labelled, at the first tier."""
    training = figures.in_training
    tiers = figures.tiers if training is None else training.tiers
    return tiers[EventKind.FALL_SUSPECTED.value]


def _table(tiers: Mapping[str, Tier]) -> str:
    rows: list[tuple[str, list[str]]] = [
        ("falls found", [f"{each.found} of {each.falls}" for each in tiers.values()]),
        ("sensitivity", [_share(each.sensitivity) for each in tiers.values()]),
        ("95 % interval", [_interval(each) for each in tiers.values()]),
        ("worst person", [_worst(each) for each in tiers.values()]),
        ("daily trials alarmed", [_of(t.daily_alarmed, t.daily_trials) for t in tiers.values()]),
        ("… of young people", [_of(t.young_alarmed, t.young_trials) for t in tiers.values()]),
        ("… of older people", [_of(t.older_alarmed, t.older_trials) for t in tiers.values()]),
        ("false alarms", [f"{t.false_alarms} in {t.hours:.2f} h" for t in tiers.values()]),
        ("per hour, upper 95 % bound", [_rate(each) for each in tiers.values()]),
        ("impact to emission, p50 and p95", [_delay(each) for each in tiers.values()]),
    ]
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *tiers))
    lines = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, cells in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{lines}</table></div>'


def _counts(counts: Mapping[str, Counts]) -> str:
    lines = "".join(
        f"<tr><td>{escape(name)}</td><td>{_of(each.found, each.falls)}</td>"
        f"<td>{_of(each.daily_alarmed, each.daily_trials)}</td></tr>"
        for name, each in counts.items()
    )
    head = "<tr><th></th><th>falls found</th><th>daily trials alarmed</th></tr>"
    return f'<div class="wide"><table>{head}{lines}</table></div>' if lines else ""


def _details(title: str, content: str) -> str:
    if not content:
        return ""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def _curve(each: SetReport) -> str:
    labelled = [
        (heard.trial, impacts)
        for heard, impacts in zip(each.heard, each.impacts, strict=True)
        if heard.trial.is_fall is not None
    ]
    points = trade_off([trial for trial, _ in labelled], [impacts for _, impacts in labelled])
    tier = _widest(each.figures)
    if not points:
        return ""
    if tier.falls and tier.daily_trials:
        picture = trade_off_picture(each.name, points, tier)
        caption = (
            "Detection-error trade-off at fall_suspected: each point is a threshold, all labelled "
            "trials counted in. Both axes are normal deviates. The dot: the operating point. "
            "At low thresholds more falls are missed again, because an impact within ten seconds "
            "of a false alarm is taken for part of it."
        )
    elif tier.daily_trials:
        picture = alarms_picture(each.name, points, tier.hours, tier)
        caption = (
            "False alarms per hour at each threshold; the floor is none. Dashed: the operating "
            "point."
        )
    else:
        return ""
    return (
        f'<figure class="curve">{picture}<figcaption class="dim">{escape(caption)}</figcaption>'
        "</figure>"
    )


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "–"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.3f}"


def _interval(each: Tier) -> str:
    return "–" if each.low is None or each.high is None else f"{each.low:.3f} to {each.high:.3f}"


def _worst(each: Tier) -> str:
    return "–" if each.worst_person is None else f"{each.worst_person:.2f} ({each.worst_person_is})"


def _rate(each: Tier) -> str:
    if each.false_alarms_per_hour is None:
        return "–"
    return f"{each.false_alarms_per_hour:.2f}, < {each.false_alarms_per_hour_bound:.2f}"


def _delay(each: Tier) -> str:
    if each.delay_p50_s is None:
        return "–"
    return f"{each.delay_p50_s:.1f} s, {each.delay_p95_s:.1f} s"


# -- waveforms --------------------------------------------------------------------------------


def _waveforms(each: SetReport) -> Iterator[str]:
    misses, alarms = [], []
    for heard, impacts in zip(each.heard, each.impacts, strict=True):
        judged = judge(heard, EventKind.FALL_SUSPECTED)
        if judged is None or heard.trial.is_fall is None:
            continue
        if heard.trial.is_fall and judged.found is None:
            misses.append(_card(heard, impacts, each.in_training))
        elif not heard.trial.is_fall and judged.alarms:
            alarms.append(_card(heard, impacts, each.in_training))
    yield f'<p><a href="index.html">All figures</a></p><h1>{escape(each.name)}</h1>'
    yield f'<p class="dim">{escape(LEGEND)}</p>'
    for title, cards in (("Falls missed", misses), ("Daily trials alarmed", alarms)):
        yield f"<h2>{title}: {len(cards)}</h2>"
        yield f'<div class="cards">{"".join(cards)}</div>'


def _card(heard: Heard, impacts: Sequence[Impact], in_training: frozenset[TrialName]) -> str:
    trial = heard.trial
    words = [trial.trial, *([trial.activity] if trial.activity else [])]
    if name_of(trial) in in_training:
        words.append("used in training")
    said = [
        f"{each.kind.value} at {each.impact_s:.2f} s"
        + (f", score {each.score:.3f}" if each.score is not None else "")
        for each in heard.said
        if each.kind is EventKind.FALL_SUSPECTED
    ]
    best = max((impact.score for impact in impacts), default=None)
    if not said:
        said = ["nothing passed the screen" if best is None else f"best score {best:.3f}"]
    return (
        f"<figure>{waveform(heard, impacts)}<figcaption>{escape(' · '.join(words))}<br>"
        f'<span class="dim">{escape("; ".join(said))}</span></figcaption></figure>'
    )
