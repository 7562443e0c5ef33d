"""A small Attune for the supervisor's tests: the real supervisor and servers over a table of tiny programs.

Run as `python -m tests.config.fake_attune HOME PORT`; prints `ready` once everything runs.
"""

import os
import sys
from pathlib import Path

from config.local.errors import LocalError
from config.local.supervisor import Supervisor
from config.local.table import Program

WEB = """
import http.server, os
class Ok(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Ok).serve_forever()
"""
STUBBORN = """
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sleep", "1000"], start_new_session=True)
time.sleep(1000)
"""


def main(home: Path, port: int) -> None:
    table = [
        Program("web", (sys.executable, "-c", WEB)),
        Program("stubborn", (sys.executable, "-c", STUBBORN), patience=0.5, nice=5),
    ]
    supervisor = Supervisor(home, port=port, programs=table, env=os.environ, say=_say)
    supervisor.run(before=lambda: None, beside=lambda: None, ready=lambda: _say("ready"))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]))
    except LocalError as error:
        sys.exit(str(error))
