"""A provisioned home: every part with its own certificate, and a stranger who means it ill."""

from __future__ import annotations

import random

from contract import topics
from contract.flood import ALARM_KINDS
from contract.protocols import NotConnectedError, PublishRefusedError
from contract.wire import MAX_PAYLOAD_BYTES
from wardlight.running import background
from wardlight.stages import Stage

WARM_UP_S = 15.0


def test_a_fall_arrives_in_a_home_in_which_everything_is_encrypted(secured_scene) -> None:
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        scene.simulation.fall("resident-3")
        await scene.watch.reached(Stage.DETECTED, 120)
        await scene.watch.reached(Stage.STORED, 60)
        await scene.watch.reached(Stage.ALERTED, 60)
        board = scene.home.desk.board()
        assert [each.resident_id for each in board.incidents] == ["resident-3"]
        assert not {each.cause for each in board.faults} & {"publish_refused", "broker_lost"}

    secured_scene(journey)


HOSTILE = (
    b"",
    b"\0",
    b"{}",
    b"null",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"\xff\xfe\xfd",
    b'{"schema":1}',
    b'{"schema":99,"id":"x"}',
    b'{"schema":1,"id":"' + b"x" * 100_000 + b'"}',
    b'{"schema":1e999}',
    b'{"schema":1,"sequence":-1,"session":"' + b"\\u0000" * 100 + b'"}',
    b"9" * 100_000,
    bytes(MAX_PAYLOAD_BYTES),
)

BRANCHES = (
    *(f"event/{kind}" for kind in (*sorted(ALARM_KINDS), "fault", "acknowledged", "junk")),
    *("telemetry", "status", "presence", "siren", "config", "receipt", "x/y/z"),
)


def test_hostile_payloads_on_every_topic_stop_nothing(secured_scene) -> None:
    """A thief with a certificate says all that he may and may not; who calls is heard."""

    async def journey(scene):
        said = {"taken": 0, "refused": 0}

        def called() -> set[str | None]:
            return {each.resident_id for each in scene.home.desk.board().incidents}

        async with background(_attack(scene, said)):
            await scene.clock.sleep(WARM_UP_S)
            await scene.until(lambda: min(said.values()) > 20, 120, "an attack that is one")
            scene.simulation.press_button("resident-5")
            await scene.until(lambda: "resident-5" in called(), 60, "the call for help")
        assert "packet_rejected" in {each.cause for each in scene.home.desk.board().faults}

    secured_scene(journey)


async def _attack(scene, said: dict[str, int]) -> None:
    thief = scene.bus("thief")
    chance = random.Random(7)

    async def ignore(_messages) -> None:
        return

    async def say(topic: str, payload: bytes) -> None:
        try:
            await thief.publish(topic, payload, retain=chance.random() < 0.2)
            said["taken"] += 1
        except PublishRefusedError:
            said["refused"] += 1
        except NotConnectedError:
            await scene.clock.sleep(0.1)

    async with background(thief.run((), ignore)):
        while True:
            sender = chance.choice(("thief", "thief", "gateway-a", "alerts"))
            topic = topics.build(scene.plan.home, sender, chance.choice(BRANCHES))
            junk = chance.randbytes(chance.randrange(2_000))
            await say(topic, chance.choice((*HOSTILE, junk)))
