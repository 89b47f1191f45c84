"""The gate: lets each connection in with the rights of its session, cuts off who lost them, records whom it kept out.

The broker asks it about every connection that is not the studio's own (auth callout). It knows no token itself: the
sessions service says who stands behind one. Through the broker's system account it ends connections.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from events.catalog import encode_change
from events.record import Change
from events.refusals import SessionRefused, stream_of
from qi import callout, rights
from qi.actor import Actor, every, handles, listens
from qi.bus import Bus
from qi.callout import Asking, Issuer
from qi.context import STUDIO
from qi.contracts import import_all
from qi.contracts.gate import RenewRights, ReportRefusal
from qi.contracts.log import AppendEvents
from qi.contracts.session import AdmitSession, Admitted
from qi.credentials import Credentials
from qi.errors import Forbidden, QiError
from qi.here import is_here
from qi.messages import Done
from qi.rights import Rights
from qi.wire import Message

log = logging.getLogger("qi.gate")

RECORD_EVERY_S = 0.5
SAME_AGAIN_S = 60.0
"""The same refusal is recorded once in this time, with how often it came."""
DIFFERENT_MOST = 500
"""Different refusals that wait to be recorded; a flood of more is only counted."""
CUT_LIMIT_S = 1.0
SESSION_ID = re.compile(r"[A-Za-z0-9_\-]{1,128}")
SECRET_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Connected:
    """One connection that was let in."""

    asking: Asking
    rights: Rights


@dataclass(frozen=True, slots=True)
class Refusal:
    session: str
    what: str
    subject: str
    reason: str
    address: str


class Gate(Actor):
    """Answers the broker. Its own connection to the system account ends connections and hears of their end."""

    name = "gate"
    requests = (AdmitSession, AppendEvents)

    def __init__(self, bus: Bus, *, system: dict[str, str], seed: str, hosts: list[str]) -> None:
        """`system` are the :class:`Credentials` of the system account; `hosts` the networks that may connect, beside
        this machine itself."""
        super().__init__(bus)
        self._system_credentials = Credentials(**system)
        self._issuer = Issuer(seed)
        self._hosts = [ipaddress.ip_network(host) for host in hosts]

    def setup(self) -> None:
        import_all()  # what may be asked is read off the message types
        self._connected: dict[tuple[str, int], Connected] = {}
        self._changed: set[str] = set()
        self._waiting: Counter[Refusal] = Counter()
        self._recorded: dict[Refusal, float] = {}
        self._uncounted = 0
        self._unheard = self._lost()
        self._system = Bus(self._system_credentials, session=STUDIO, name="qi-gate", host=self._bus.host)
        self._system.start()
        self._system.subscribe(f"$SYS.ACCOUNT.{callout.ACCOUNT}.DISCONNECT", self._gone)

    def teardown(self) -> None:
        if hasattr(self, "_system"):
            self._system.stop()

    def figures(self) -> dict[str, Any]:
        return {"connections": len(self._connected), "refusals": self._uncounted + sum(self._waiting.values())}

    # -- letting in ---------------------------------------------------------------------------------------------

    @listens(callout.SUBJECT, whole=True)
    def knock(self, msg: Message) -> None:
        asking = callout.read(msg.data)
        try:
            admitted = self._admitted(asking)
        except QiError as error:
            self._refused(Refusal(asking.session, "connect", "", error.message, asking.address))
            answer = self._issuer.refuse(asking, error.message)
        else:
            found = _rights(asking.session, admitted)
            self._connected[asking.server, asking.client] = Connected(asking, found)
            answer = self._issuer.permit(asking, found, admitted.until)
        self._bus.publish(msg.reply, answer)

    def _admitted(self, asking: Asking) -> Admitted:
        if not self._may_come(asking.address):
            raise Forbidden(f"the host {asking.address} is not one of those that may connect")
        # What comes from outside is bounded here: services believe each other.
        if not SESSION_ID.fullmatch(asking.session) or len(asking.secret) > SECRET_LONGEST:
            raise Forbidden("that is not the id of a session, or no token")
        return self.request(AdmitSession(id=asking.session, secret=asking.secret, address=asking.address))

    def _may_come(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return is_here(address) or any(found in host for host in self._hosts)

    # -- cutting off --------------------------------------------------------------------------------------------

    @handles(RenewRights)
    def renew(self, message: RenewRights) -> Done:
        for connected in list(self._connected.values()):
            self._look_again(connected, of_user=message.user)
        return Done()

    @listens("qi.session.*.identity", whole=True)
    def changed(self, msg: Message) -> None:
        """Looked at a moment later: who leaves in order is gone by then."""
        self._changed.add(msg.subject.split(".")[2])

    @every(RECORD_EVERY_S)
    def look_around(self) -> None:
        changed, self._changed = self._changed, set()
        unheard, self._unheard = self._unheard, self._lost()
        for connected in list(self._connected.values()):
            if connected.asking.session in changed or unheard != self._unheard:
                self._look_again(connected)
        self._record()

    def _lost(self) -> tuple[int, int]:
        """Grows when a change of somebody's rights may have passed unheard: with a connection, or in a flood."""
        return self._bus.reconnects, self._stats.dropped

    def _look_again(self, connected: Connected, *, of_user: str = "") -> None:
        """End a connection whose rights are not what they were when it was let in; it comes back with those of now.

        With `of_user` only a connection of that user.
        """
        try:
            admitted = self._admitted(connected.asking)
        except QiError as error:
            log.info("session %s is cut off: %s", connected.asking.session, error.message)
        else:
            now = _rights(connected.asking.session, admitted)
            if now == connected.rights or (of_user and admitted.user != of_user):
                return
        self._cut(connected.asking)

    def _cut(self, asking: Asking) -> None:
        self._connected.pop((asking.server, asking.client), None)
        order = json.dumps({"cid": asking.client}).encode()
        done = threading.Event()
        inbox = f"{self._system.inbox}.cut.{asking.client}"
        entry = self._system.subscribe(inbox, lambda _: done.set())
        self._system.publish(f"$SYS.REQ.SERVER.{asking.server}.KICK", order, reply=inbox)
        if not done.wait(CUT_LIMIT_S):
            log.warning("the broker did not say whether it ended the connection of %s", asking.session)
        self._system.unsubscribe(entry)

    def _gone(self, msg: Message) -> None:
        """On the thread of the system connection; a dictionary's pop is one step."""
        said = json.loads(msg.data)
        self._connected.pop((str(said["server"]["id"]), int(said["client"]["id"])), None)

    # -- keeping record -----------------------------------------------------------------------------------------

    @handles(ReportRefusal)
    def report(self, message: ReportRefusal) -> Done:
        reason = "its rights do not reach there"
        self._refused(Refusal(message.session, message.what, message.subject, reason, message.address))
        return Done()

    def _refused(self, refusal: Refusal) -> None:
        if refusal in self._waiting or len(self._waiting) < DIFFERENT_MOST:
            self._waiting[refusal] += 1
        else:
            self._uncounted += 1

    def _record(self) -> None:
        now = time.monotonic()
        self._recorded = {refusal: at for refusal, at in self._recorded.items() if now - at < SAME_AGAIN_S}
        due = [refusal for refusal in self._waiting if refusal not in self._recorded]
        if not due:
            return
        changes = [
            Change(
                stream_of(one.session),
                SessionRefused(
                    what=one.what, subject=one.subject, reason=one.reason, address=one.address, times=self._waiting[one]
                ),
            )
            for one in due
        ]  # fmt: skip
        self.request(AppendEvents(events=tuple(encode_change(change) for change in changes), expected={}))
        for one in due:
            del self._waiting[one]
            self._recorded[one] = now


def _rights(session: str, admitted: Admitted) -> Rights:
    if admitted.kind == "guest":
        return rights.of_guest(session)
    if admitted.kind == "addon":
        return rights.of_addon(session, admitted.bundle, admitted.addon, admitted.child, admitted.requests)
    return rights.of_session(session, admitted.kind, admitted.permissions)
