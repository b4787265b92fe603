"""`ebbtide` in a script of a test: the process of the tests runs the command, this one waits and prints.

python -IS tests/ask.py ADDRESS ARGUMENT...
"""

import os
import sys
from multiprocessing.connection import Client

with Client(sys.argv[1]) as asked:
    asked.send((sys.argv[2:], os.getcwd(), dict(os.environ)))  # noqa: PTH109 - pathlib takes 10 ms to import
    status, out, err = asked.recv()
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(status)
