"""The sheet as one HTML file to print: A4 across, a page for each floor, nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Final

from alerts.sheet import Contact, Sheet, SheetFloor, SheetLine, SheetPerson
from dashboards.sheet.words import LABELS, ROLES, WHAT_TO_DO, cause_of, moment

LOOKS: Final = 8
"""Boxes for signatures in a line: four hours of half-hourly rounds; then the next sheet."""

STYLE: Final = """
@page{size:A4 landscape;margin:10mm}
*{box-sizing:border-box;margin:0}
body{font:10pt/1.3 "Noto Sans","Noto Sans CJK TC","PingFang HK","Microsoft JhengHei",sans-serif;
color:#000;background:#fff;padding:4mm}
section+section{break-before:page}
header{display:flex;justify-content:space-between;gap:8mm;align-items:baseline;
border-bottom:1.5pt solid #000;padding-bottom:1.5mm;margin-bottom:2mm}
h1{font-size:15pt}h2{font-size:11pt;margin:3mm 0 1mm}
ol{padding-left:5mm;columns:2;column-gap:8mm;margin-bottom:2mm}
table{width:100%;border-collapse:collapse}thead{display:table-header-group}
tr{break-inside:avoid}
th,td{border:.6pt solid #000;padding:1mm 1.5mm;text-align:left;vertical-align:top}
th{font-size:8pt;background:#eee;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.bed{font-size:13pt;font-weight:700;white-space:nowrap}.name{font-size:11pt;font-weight:600}
.look{width:11mm;height:11mm;padding:0}.small{font-size:8pt}
.loss{border:1.5pt solid #000;padding:1.5mm 2mm;margin-bottom:2mm;font-weight:600}
.staff{columns:3;column-gap:6mm;list-style:none;padding:0}
.staff li{break-inside:avoid}
footer{margin-top:2mm;font-size:8pt}
@media print{body{padding:0}}
"""


def render_html(sheet: Sheet, home_name: str) -> str:
    """The whole sheet.

    Parameters
    ----------
    home_name
        What the home is called.
    """
    pages = "".join(_floor(sheet, floor, home_name) for floor in sheet.floors)
    if not pages:
        nobody = escape(LABELS["nobody"].both)
        pages = f"<section>{_head(sheet, '', home_name)}<p>{nobody}</p></section>"
    title = escape(f"{LABELS['title'].both} – {home_name}")
    return (
        '<!doctype html>\n<html lang="zh-Hant-HK"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{STYLE}</style></head><body>{pages}</body></html>\n"
    )


def _head(sheet: Sheet, floor: str, home_name: str) -> str:
    where = f" · {LABELS['floor'].both} {floor}" if floor else ""
    printed = (
        f"{LABELS['printed'].both} {moment(sheet, sheet.at_us)} · {LABELS['by'].both} "
        f"{sheet.printed_by}"
    )
    return (
        f"<header><h1>{escape(LABELS['title'].both)}{escape(where)}</h1>"
        f"<p><b>{escape(home_name)}</b><br>{escape(printed)}</p></header>"
    )


def _floor(sheet: Sheet, floor: SheetFloor, home_name: str) -> str:
    steps = "".join(
        f"<li>{escape(label.zh.format(minutes=sheet.every_s // 60))}<br>"
        f"{escape(label.en.format(minutes=sheet.every_s // 60))}</li>"
        for label in WHAT_TO_DO
    )
    heads = "".join(
        f"<th>{escape(LABELS[key].zh)}<br>{escape(LABELS[key].en)}</th>"
        for key in ("bed", "resident", "plan", "contacts", "carers", "wearable")
    )
    looks = escape(LABELS["looks"].both)
    rows = "".join(_line(line) for line in floor.lines)
    return (
        f"<section>{_head(sheet, floor.floor, home_name)}<ol>{steps}</ol>{_losses(sheet)}"
        f'<table><thead><tr>{heads}<th colspan="{LOOKS}">{looks}</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{_staff(sheet)}"
        f"<footer>{escape(LABELS['page'].zh)}<br>{escape(LABELS['page'].en)}</footer></section>"
    )


def _losses(sheet: Sheet) -> str:
    if not sheet.losses:
        return ""
    lines = "<br>".join(
        escape(f"{', '.join(loss.beds)}: {cause_of(loss.cause)} ({moment(sheet, loss.since_us)})")
        for loss in sheet.losses
    )
    return f'<p class="loss">{escape(LABELS["losses"].both)}:<br>{lines}</p>'


def _line(line: SheetLine) -> str:
    contacts = "<br>".join(escape(contact_text(each)) for each in line.contacts)
    worn = line.placement or LABELS["none_worn"].both
    risk = f"<b>{escape(LABELS['at_risk'].both)}</b> " if line.at_risk else ""
    return (
        f'<tr><td class="bed">{escape(line.bed)}</td><td class="name">{escape(line.resident)}</td>'
        f"<td>{risk}{escape(line.plan)}</td><td>{contacts}</td>"
        f'<td class="small">{escape(", ".join(line.carers))}</td>'
        f'<td class="small">{escape(worn)}</td>' + '<td class="look"></td>' * LOOKS + "</tr>"
    )


def contact_text(contact: Contact) -> str:
    """A contact in one line."""
    relation = f" ({contact.relation})" if contact.relation else ""
    return f"{contact.name}{relation} {contact.phone}".rstrip()


def _staff(sheet: Sheet) -> str:
    if not sheet.staff:
        return ""
    lines = "".join(f"<li>{escape(person_text(each))}</li>" for each in sheet.staff)
    return f'<h2>{escape(LABELS["staff"].both)}</h2><ul class="staff">{lines}</ul>'


def person_text(person: SheetPerson) -> str:
    """One of the staff in one line."""
    parts = [person.name, ROLES[person.role].both, person.floor, person.phone]
    if not person.on_duty:
        parts.append(LABELS["off_duty"].both)
    return " · ".join(part for part in parts if part)
