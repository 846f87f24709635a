"""Two swapped wearables on the board: both names, and one tap to exchange them."""

from __future__ import annotations

from contract.events import EventKind, FaultCause


async def swap(home, eventually):
    for resident in ("resident-1", "resident-2"):
        home.publish(
            EventKind.FAULT,
            resident,
            cause=FaultCause.WEARABLES_SWAPPED,
            detail="Each sleeps where the other should.",
        )
    await eventually(lambda: len(home.desk.board().faults) == 2, "the faults")
    return home.desk.board().faults[0].id


def test_one_tap_exchanges_and_a_second_one_says_who_did(web_home, eventually, section):
    async def scene(home):
        fault = await swap(home, eventually)
        async with home.client(staff="mei") as client:
            told = section((await client.get("/?lang=en")).text, "faults")
            assert "2/F 212-B · Chan Tai Man ⇄ 2/F 214-A" in told
            assert "Exchange 2/F 212-B and 2/F 214-A" in told
            assert "對調 2/F 212-B" in (await client.get("/?lang=zh-Hant")).text
            done = await client.post(f"/faults/{fault}/exchange?lang=en")
            assert "are exchanged" in done.text or "已對調" in done.text
        async with home.client(staff="ka-yan") as client:
            again = await client.post(f"/faults/{fault}/exchange")
            assert "Wong Mei has exchanged 2/F 214-A, 2/F 212-B." in again.text
        assert home.desk.board().faults == []

    web_home(scene)


def test_the_api_does_the_same_and_refuses_what_is_not_there(web_home, eventually):
    async def scene(home):
        fault = await swap(home, eventually)
        async with home.client() as client:
            path = f"/api/v1/faults/{fault}/exchange"
            done = (await client.post(path, json={"staff_id": "mei"})).json()
            assert (done["by"], done["devices"]) == ("Wong Mei", ["wearable-1", "wearable-2"])
            for wrong, status in (("999999", 404), ("x", 422), ("-1", 422)):
                answer = await client.post(
                    f"/api/v1/faults/{wrong}/exchange", json={"staff_id": "mei"}
                )
                assert answer.status_code == status
        async with home.client(staff="mei") as client:
            assert (await client.post("/faults/x/exchange")).status_code == 422
            assert (await client.post("/faults/999999/exchange")).status_code == 404

    web_home(scene)
