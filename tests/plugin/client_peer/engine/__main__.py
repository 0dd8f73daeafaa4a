"""A small process that speaks the engine's protocol and misbehaves on demand, for tests of the plugin's client.

``MPSCLIP_PEER`` says how it starts: ``ok``, ``die``, ``garbage``, ``old``, ``mute``, ``stay`` (ends for nothing but a
kill). What a search does is its query: ``echo``, ``wait`` (until cancelled), ``deaf`` (cannot be cancelled), ``die``,
``fail``, ``large``, ``unreadable``.
"""

import json
import os
import sys
import time
from pathlib import Path

OUT = sys.stdout.buffer
MODE = os.environ.get("MPSCLIP_PEER", "ok")
CANCELLED = {"code": -32800, "message": "Cancelled."}


def send(**message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    OUT.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    OUT.flush()


def receive():
    length = 0
    while (line := sys.stdin.buffer.readline()) not in (b"\r\n", b""):
        length = int(line.partition(b":")[2])
    return json.loads(sys.stdin.buffer.read(length)) if length else None


def search(number, params):
    query = params["query"]
    if query == "echo":
        send(method="log", params={"level": "info", "message": "searching"})
        send(method="log", params={"id": number, "level": "warning", "message": "the local keywords were taken"})
        send(method="log", params={"id": number + 1, "level": "error", "message": "of another request"})
        send(method="progress", params={"id": number, "stage": "rank", "done": 1, "total": 2})
        send(method="shortlist", params={"id": number, "crs": "EPSG:32632", "hits": [{"rank": 1}]})
        send(method="hit", params={"id": number, "hit": {"rank": 1, "refined": True}})
        send(id=number, result={"params": params, "pid": os.getpid()})
    elif query == "wait":
        send(method="progress", params={"id": number, "stage": "index", "done": 0, "total": 9})
        while (message := receive()) is not None:
            if message["method"] == "cancel":
                send(id=message["id"], result={"cancelled": True})
                send(id=number, error=CANCELLED)
                return
            answer(message)
    elif query == "deaf":
        time.sleep(60)
    elif query == "die":
        print("loading weights\nCUDA error: out of memory", file=sys.stderr, flush=True)
        os._exit(7)
    elif query == "fail":
        data = {"problem": "The raster a.tif is missing.", "remedy": "Check its path.", "raster": "a.tif"}
        send(id=number, error={"code": -32020, "message": "The raster a.tif is missing. Check its path.", "data": data})
    elif query == "large":
        send(id=number, result={"text": "ä" * 400_000})
    elif query == "unreadable":
        OUT.write(b"Segmentation fault, said a library\n" * 60)
        OUT.flush()
        time.sleep(60)


def answer(message):
    method, number, params = message["method"], message.get("id"), message.get("params")
    if method == "initialize":
        send(id=number, result={"protocol": 0 if MODE == "old" else 1, "engine": "0", "pid": os.getpid()})
    elif method == "status":
        send(
            id=number,
            result={
                "pid": os.getpid(),
                "cwd": str(Path.cwd()),
                "flags": {"user_site": not sys.flags.no_user_site, "utf8": bool(sys.flags.utf8_mode)},
                "environment": dict(os.environ),
            },
        )
    elif method == "search":
        search(number, params)
    elif method == "cancel":
        send(id=number, result={"cancelled": False})
    elif method == "shutdown" and MODE != "stay":
        send(id=number, result=None)
        sys.exit(0)


if MODE == "die":
    sys.exit("ModuleNotFoundError: No module named 'torch'")
if MODE == "garbage":
    print("Welcome to this interpreter!\r\n\r\n", flush=True)
while (MODE != "mute") and (request := receive()) is not None:
    answer(request)
while MODE in ("mute", "stay"):
    time.sleep(1)
