#!/usr/bin/python3
"""The proxy of this folder does what it is told: ends with "proxy: N passed, N failed"."""
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
from tests.harness.proxy import Proxy  # noqa: E402

PATIENCE = 20


class Echo:
    """Sends back what it gets, on each connection; keeps what it got."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.got, self.endings = bytearray(), []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        try:
            while data := connection.recv(65536):
                self.got += data
                connection.sendall(data)
            self.endings.append("end")
        except OSError:
            self.endings.append("reset")
        finally:
            connection.close()


def wait_for(condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


def guest(proxy):
    s = socket.create_connection(proxy.address, PATIENCE)
    s.settimeout(PATIENCE)
    return s


def receive(s, count):
    data = b""
    while len(data) < count and (more := s.recv(count - len(data))):
        data += more
    return data


def is_reset(s):
    try:
        while s.recv(65536):
            pass
    except ConnectionError:
        return True
    return False


def passes_all_on_and_in_order(proxy, echo):
    s, sent = guest(proxy), os.urandom(3_000_000)
    threading.Thread(target=s.sendall, args=(sent,), daemon=True).start()
    assert receive(s, len(sent)) == sent
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""
    wait_for(lambda: echo.endings == ["end"] and proxy.count()["pairs"] == 0)
    assert proxy.count() == {"pairs": 0, "up": len(sent), "down": len(sent), "made": 1}


def latency_is_added_to_each_way(proxy, echo):
    s = guest(proxy)
    proxy.latency(30, "up")
    proxy.latency(50, "down")
    began = time.monotonic()
    s.sendall(b"x" * 1000)
    assert receive(s, 1000) == b"x" * 1000
    assert time.monotonic() - began >= 0.080


def a_rate_is_kept(proxy, echo):
    s = guest(proxy)
    proxy.rate(200_000, "up")
    began = time.monotonic()
    s.sendall(b"x" * 100_000)
    assert len(receive(s, 100_000)) == 100_000
    assert time.monotonic() - began >= 0.4  # the burst of 50 ms apart


def a_stall_holds_and_a_flow_lets_go(proxy, echo):
    s = guest(proxy)
    proxy.stall("down")
    s.sendall(b"hello")
    wait_for(lambda: bytes(echo.got) == b"hello")
    s.settimeout(0.1)
    try:
        s.recv(1)
        raise AssertionError("something came through")
    except TimeoutError:
        pass
    s.settimeout(PATIENCE)
    proxy.flow("down")
    assert receive(s, 5) == b"hello"


def a_half_close_ends_one_way_only(proxy, echo):
    s = guest(proxy)
    s.sendall(b"hello")
    assert receive(s, 5) == b"hello"
    proxy.half("down")
    assert s.recv(1) == b""
    s.sendall(b"you still hear me")
    wait_for(lambda: bytes(echo.got) == b"helloyou still hear me")


def a_cut_comes_at_the_very_byte(proxy, echo):
    s = guest(proxy)
    proxy.cut_after(12345, "up")
    s.sendall(b"x" * 20000)
    assert is_reset(s)
    wait_for(lambda: echo.endings)
    assert len(echo.got) <= 12345 and proxy.count()["up"] == 12345
    assert receive(again(proxy, b"y"), 1) == b"y"


def again(proxy, data):
    s = guest(proxy)
    s.sendall(data)
    return s


def cut_and_refuse_reset_and_accept_heals(proxy, echo):
    s = guest(proxy)
    s.sendall(b"x")
    assert receive(s, 1) == b"x"
    proxy.cut()
    assert is_reset(s)
    assert receive(again(proxy, b"y"), 1) == b"y"
    proxy.refuse()
    assert is_reset(guest(proxy))
    proxy.accept()
    assert receive(again(proxy, b"z"), 1) == b"z"


def nonsense_is_said_to_be(proxy, echo):
    for line in ("", "latency", "latency sideways 1", "rate up -5", "what ever 1", "x" * 600):
        assert proxy.ask(line) == "what?", line
        break_up = proxy.ask("count") if len(line) < 200 else None
        assert break_up is None or break_up.startswith("pairs 0"), break_up


CASES = [passes_all_on_and_in_order, latency_is_added_to_each_way, a_rate_is_kept, a_stall_holds_and_a_flow_lets_go,
         a_half_close_ends_one_way_only, a_cut_comes_at_the_very_byte, cut_and_refuse_reset_and_accept_heals, nonsense_is_said_to_be]


def main():
    failed = 0
    for case in CASES:
        echo = Echo()
        with Proxy(echo.address) as proxy:
            try:
                case(proxy, echo)
            except Exception as problem:  # noqa: BLE001 # any is a failure
                failed += 1
                print(f"FAILED: {case.__name__}: {type(problem).__name__} {problem}")
        echo.listener.close()
    print(f"proxy: {len(CASES) - failed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
