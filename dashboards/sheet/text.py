"""The sheet as plain text, for a terminal or a printer that knows nothing else."""

from __future__ import annotations

from alerts.sheet import Sheet, SheetLine
from dashboards.sheet.html import contact_text, person_text
from dashboards.sheet.words import LABELS, WHAT_TO_DO, cause_of, moment


def render_text(sheet: Sheet, home_name: str) -> str:
    """The whole sheet; a form feed before each floor but the first."""
    head = [
        f"{LABELS['title'].both} – {home_name}",
        f"{LABELS['printed'].both} {moment(sheet, sheet.at_us)} {LABELS['by'].both} "
        f"{sheet.printed_by}",
        "",
    ]
    minutes = sheet.every_s // 60
    head += ["  " + text.format(minutes=minutes) for label in WHAT_TO_DO for text in label]
    if sheet.losses:
        head += ["", f"{LABELS['losses'].both}:"]
        head += [
            f"  {', '.join(loss.beds)}: {cause_of(loss.cause)} ({moment(sheet, loss.since_us)})"
            for loss in sheet.losses
        ]
    floors = [
        "\n".join(
            [
                f"{LABELS['floor'].both} {floor.floor}".rstrip(),
                *(text for line in floor.lines for text in _line(line)),
            ]
        )
        for floor in sheet.floors
    ] or [LABELS["nobody"].both]
    staff = [f"{LABELS['staff'].both}:", *(f"  {person_text(each)}" for each in sheet.staff)]
    return "\n".join(head) + "\n\n" + "\n\n\f".join(floors) + "\n\n" + "\n".join(staff) + "\n"


def _line(line: SheetLine) -> list[str]:
    worn = line.placement or LABELS["none_worn"].both
    told = [f"[ ] {line.bed}  {line.resident}  ({LABELS['wearable'].both}: {worn})"]
    if line.at_risk:
        told.append(f"      {LABELS['at_risk'].both}")
    if line.plan:
        told.append(f"      {LABELS['plan'].both}: {line.plan}")
    if line.contacts:
        contacts = "; ".join(contact_text(each) for each in line.contacts)
        told.append(f"      {LABELS['contacts'].both}: {contacts}")
    if line.carers:
        told.append(f"      {LABELS['carers'].both}: {', '.join(line.carers)}")
    return told
