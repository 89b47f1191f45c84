"""Messages and actors for the tests of the mesh; a module of its own, so that children in processes find them too."""

import os
import signal
import subprocess
import sys
import threading
from typing import Annotated, Any

from events.ids import new_id
from qi import context
from qi.actor import Actor, Asked, Fatal, every, handles, handles_batch, listens
from qi.bus import Bus
from qi.errors import Conflict, QiError
from qi.limits import Text
from qi.messages import PUBLIC, Done, Request, message


@message
class Text1:
    text: str


@message
class Say(Request[Text1], topic="test.say", needs=PUBLIC):
    text: Annotated[str, Text(200_000)] = ""
    command: str = ""


@message
class Read(Request[Text1], topic="test.read", needs="read"):
    text: str = ""


@message
class ReadListener(Request[Text1], topic="test.read_listener", needs="read"):
    text: str = ""


@message
class Misbehave(Request[Done], topic="test.misbehave", needs=PUBLIC):
    how: str


@message
class Wait(Request[Done], topic="test.wait", needs=PUBLIC):
    """Keep the actor until the event that the test holds."""


@message
class HoldGroup(Request[Done], topic="test.hold_group", needs=PUBLIC):
    """The same, of :class:`Grouping`."""


@message
class HoldListener(Request[Done], topic="test.hold_listener", needs=PUBLIC):
    """The same, of :class:`Listener`."""


@message
class Where(Request[Text1], topic="test.where", needs=PUBLIC):
    """The process that serves."""


class Echo(Actor):
    """Says what was said."""

    name = "echo"

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self.go_on = threading.Event()
        self.entered = threading.Event()
        self.contexts: list[context.Context] = []
        self.callers: list[str] = []

    @handles(Say)
    def say(self, message: Say) -> Text1:
        self.contexts.append(context.current())
        self.callers.append(self.caller.user)
        return Text1(text=message.text)

    @handles(Read)
    def read(self, message: Read) -> Text1:
        self.callers.append(self.caller.user)
        return Text1(text=message.text)

    @handles(Wait)
    def wait(self, _: Wait) -> Done:
        self.entered.set()
        # For a test in another process.
        self._bus.publish("qi.feed.test.entered", b"")
        if not self.go_on.wait(20):
            raise TimeoutError("the test never let go")
        return Done()

    @handles(Where)
    def where(self, _: Where) -> Text1:
        return Text1(text=str(os.getpid()))

    @handles(Misbehave)
    def misbehave(self, message: Misbehave) -> Any:
        match message.how:
            case "raise":
                raise ZeroDivisionError("a fault")
            case "exit":
                sys.exit(3)
            case "fatal":
                raise Fatal("cannot go on")
            case "conflict":
                raise Conflict("somebody was quicker", remedy="read again", stream="bundle-1", expected=3, actual=4)
            case "odd error":
                raise QiError("with what has no JSON form", what=object())
            case "big error":
                raise QiError("too big", text="x" * 300_000)
            case "big reply":
                return Text1(text="x" * 300_000)
            case "odd reply":
                return object()
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "print":
                print("noise " * 20_000, flush=True)
                subprocess.run(["echo", "more noise"], check=True)
        return Done()


class NoStart(Actor):
    """Cannot start."""

    name = "no_start"

    def __init__(self, bus: Bus, *, how: str = "raise") -> None:
        super().__init__(bus)
        self._how = how

    def setup(self) -> None:
        if self._how == "exit":
            sys.exit(3)
        print("a line before the protocol's", flush=True)
        raise Conflict("there is one already", remedy="stop it", other="here")


class Noisy(Echo):
    """Prints while it starts."""

    name = "noisy"

    def setup(self) -> None:
        print("ready", flush=True)
        print("not the protocol", flush=True)


class FlakyStart(Actor):
    """Starts once; from the second time on it fails until the file is gone."""

    name = "flaky"

    def __init__(self, bus: Bus, *, marker: str) -> None:
        super().__init__(bus)
        self._marker = marker

    def setup(self) -> None:
        if os.path.exists(self._marker):  # noqa: PTH110 - one line in a child
            raise QiError("the marker is there")

    @handles(Misbehave)
    def misbehave(self, _: Misbehave) -> Done:
        raise Fatal("as asked")


@message
class Put(Request[Text1], topic="test.put", needs=PUBLIC):
    number: int
    how: str = ""


class Grouping(Actor):
    """Handles in groups; `groups` holds the sizes."""

    name = "grouping"

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self.go_on = threading.Event()
        self.entered = threading.Event()
        self.groups: list[list[int]] = []
        self.contexts: list[context.Context] = []

    @handles(HoldGroup)
    def wait(self, _: HoldGroup) -> Done:
        self.entered.set()
        self.go_on.wait(20)
        return Done()

    @handles_batch(Put)
    def put(self, asked: list[Asked]) -> list[Text1 | QiError]:
        self.groups.append([each.message.number for each in asked])
        self.contexts.append(context.current())
        hows = {each.message.how for each in asked}
        if "exit" in hows:
            sys.exit(3)
        if "raise" in hows:
            raise ZeroDivisionError("a fault")
        if "fatal" in hows:
            raise Fatal("cannot go on")
        if "few" in hows:
            return []
        return [
            Conflict("refused", actual=each.message.number)
            if each.message.how == "refuse"
            else Text1(text=str(each.message.number))
            for each in asked
        ]


class Listener(Actor):
    """Hears facts and ticks."""

    name = "listener"
    mailbox_limit = 50

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self.go_on = threading.Event()
        self.entered = threading.Event()
        self.heard: list[bytes] = []
        self.contexts: list[context.Context] = []
        self.callers: list[str] = []
        self.ticks = 0

    @listens("qi.event.test.>")
    def hear(self, data: bytes) -> None:
        self.contexts.append(context.current())
        self.callers.append(self.caller.user)
        self.heard.append(data)
        if data == b"raise":
            raise ZeroDivisionError("a fault")

    @every(0.02)
    def tick(self) -> None:
        self.ticks += 1
        self.contexts.append(context.current())

    @handles(ReadListener)
    def read(self, message: ReadListener) -> Text1:
        return Text1(text=message.text)

    @handles(HoldListener)
    def wait(self, _: HoldListener) -> Done:
        self.entered.set()
        self.go_on.wait(20)
        return Done()


@message
class Hops:
    """Of each actor that was passed, the last one first: what its context said."""

    traces: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...]
    pids: tuple[int, ...]
    remaining_ms: tuple[int, ...]
    causes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


@message
class Hop0(Request[Hops], topic="test.hop0", needs=PUBLIC):
    """The first hop of ten; it declares the second, and so on."""


def _next(number: int) -> type[Request[Hops]]:
    kind = type(
        f"Hop{number}",
        (Request,),
        {"__orig_bases__": (Request[Hops],), "__module__": __name__},
        topic=f"test.hop{number}",
        needs=PUBLIC,
    )
    return message(kind)


HOPS: list[type[Request[Hops]]] = [Hop0, *(_next(number) for number in range(1, 10))]


def hop(*, number: int, back_to: int = -1) -> type[Actor]:
    """The actor of one hop: asks the next one, or `back_to`, and adds itself."""
    asked = HOPS[back_to] if back_to >= 0 else HOPS[number + 1] if number < 9 else None

    class Hop(Actor):
        requests = () if asked is None else (asked,)

        def __init__(self, bus: Bus, **_: Any) -> None:
            super().__init__(bus)

        @handles(HOPS[number])
        def pass_on(self, _: Any) -> Hops:
            here = context.current()
            if number == 0:
                context.caused_by("event-of-hop-0")
            left = int((here.remaining_s() or 0) * 1000)
            before = None if asked is None else self.request(asked())
            mine = Hops(
                traces=(here.trace,), paths=(here.path,), pids=(os.getpid(),), remaining_ms=(left,),
                causes=(here.cause,), users=(here.user,),
            )  # fmt: skip
            if before is None:
                return mine
            return Hops(
                traces=before.traces + mine.traces,
                paths=before.paths + mine.paths,
                pids=before.pids + mine.pids,
                remaining_ms=before.remaining_ms + mine.remaining_ms,
                causes=before.causes + mine.causes,
                users=before.users + mine.users,
            )

    Hop.name = f"hop{number}"
    return Hop


def fresh() -> context.Context:
    return context.Context(trace=new_id())
