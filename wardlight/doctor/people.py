"""Who lives and works here, as settings and records say; ids and beds only, never names."""

from __future__ import annotations

from wardlight.doctor.context import Context, in_thread
from wardlight.doctor.findings import Finding, fault, ok, warning
from wardlight.doctor.records import who_wears
from wardlight.doctor.words import counted, listed


async def wearables(context: Context) -> Finding:
    """Residents without a wearable."""
    residents = context.settings.residents
    if not residents:
        return fault(
            "no resident is entered: nobody is watched", "Enter the residents in [[residents]]."
        )
    worn = await who_wears(context) or {}
    without = sorted(each.bed for each in residents if not each.device and each.id not in worn)
    if without:
        return warning(
            f"{len(without)} of {len(residents)} residents without a wearable: {listed(without)}",
            "Enrol one for each who wants it; the others keep call bell and rounds.",
        )
    return ok(f"{counted(len(residents), 'resident')}, each with one")


async def contacts(context: Context) -> Finding:
    """Staff who cannot be reached outside the board."""
    staff = context.settings.staff
    if not staff:
        return fault(
            "nobody is entered who could be called",
            "Enter people in [[staff]]; until then only sounders and the board call.",
        )
    given = {person.id: person.contact for person in staff if person.contact}
    if given:
        wrong = await in_thread(lambda: _not_understood(context, given))
        if wrong:
            return fault(
                f"contacts that no service understands: {listed(wrong)}",
                "Correct contact in [[staff]] (an Apprise URL such as ntfys://host/topic): these "
                "people are never reached.",
            )
    without = sorted(person.id for person in staff if not person.contact)
    if not given:
        return warning(
            f"nobody of {counted(len(staff), 'person', 'people')} can be reached outside the board",
            "Enter a contact for each in [[staff]]: until then an alert calls only who looks at "
            "the board or hears a sounder.",
        )
    if without:
        return warning(
            f"without a contact: {listed(without)}",
            "Enter one in [[staff]]: an alert that would call them calls others instead.",
        )
    return ok(f"{counted(len(staff), 'person', 'people')}, each with a contact")


def _not_understood(context: Context, contacts: dict[str, str]) -> list[str]:
    from alerts import AppriseChannel  # no part of a gateway, and 170 services to load

    channel = AppriseChannel(context.clock, context.settings.alerts.board_url)
    return sorted(person for person, contact in contacts.items() if not channel.accepts(contact))
