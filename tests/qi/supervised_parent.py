"""A studio in small, for tests that kill it: starts one child in a process and prints the process ids."""

import json
import sys
import threading

from mesh_actors import Wait

from qi.app.broker import Broker
from qi.bus import Bus
from qi.checked import Checked
from qi.child import InProcess
from qi.context import STUDIO
from qi.supervisor import Spec, Supervisor

broker = Broker()
broker.start()
bus = Bus(broker.service, session=STUDIO, codec=Checked())
bus.start()
supervisor = Supervisor(bus, lambda spec: InProcess(spec, broker.service, STUDIO))
supervisor.start_child(Spec("echo", "mesh_actors:Echo", where="process"))
supervisor.watch()
if sys.argv[1:] == ["hangs"]:
    bus.ask(Wait(), timeout_s=60)
    bus.flush()
child = supervisor._children["echo"].running
print(json.dumps({"child": child.pid, "guard": broker.pid, "port": broker.port}), flush=True)  # type: ignore[union-attr]
threading.Event().wait(60)
sys.exit(1)
