"""Honest buyers during an attack.

They run in a separate process, and hostile clients yield the CPU to them and to the server, so that they wait for
the server and not for the shared machine.
"""

import multiprocessing
import os
import threading
import time

from server import Client

# Spawned, not forked: this process has threads, which do not survive a fork.
PROCESSES = multiprocessing.get_context("spawn")
BUYERS = 4
# Without an attack: the minimum duration and number of claims on a machine of any speed.
QUIET_SECONDS, QUIET_CLAIMS = 1.5, 20
# Between the requests of a buyer, so that four of them stay far below one core.
THINKING_SECONDS = 0.03
# A buyer may make a hundred claims in a drop, released ones included.
CLAIMS_OF_BUYER = 50
END_SECONDS_MAX = 90


def percentile(values, share):
    """A percentile of sorted values, by the nearest rank."""
    return values[min(len(values) - 1, int(len(values) * share))]


def yield_the_cpu():
    """Called by processes of hostile clients, which would run on other machines in reality."""
    os.nice(15)


class Others:
    """Buyers who claim, read and release from before a block until its end:

        with Others(server, drop) as others: …

    `quiet_ms` and `busy_ms` are then the sorted times of their claims before and during the block, `reads_ms` those of
    their reads during it, and `faults` the unexpected responses.
    """

    def __init__(self, server, drop):
        self._begun, self._ending, self._ended = PROCESSES.Event(), PROCESSES.Event(), PROCESSES.SimpleQueue()
        arguments = server.port, drop, self._begun, self._ending, self._ended
        self._process = PROCESSES.Process(target=behave, args=arguments, daemon=True)

    def __enter__(self):
        self._process.start()
        assert self._begun.wait(END_SECONDS_MAX), "the other buyers did not start"
        return self

    def __exit__(self, *_):
        self._ending.set()
        self.quiet_ms, self.busy_ms, self.reads_ms, self.faults = self._ended.get()
        self._process.join(END_SECONDS_MAX)


def behave(port, drop, begun, ending, ended):
    quiet, busy, reads, faults = [], [], [], []
    quiet_until = time.monotonic() + QUIET_SECONDS

    def buy(client):
        count, token = 0, None
        while not ending.is_set():
            # Connections are open and sessions started before the attack.
            if count % CLAIMS_OF_BUYER == 0:
                token = client.guest()["token"]
            count += 1
            took = claim_read_release(client, token)
            if time.monotonic() < quiet_until or len(quiet) < QUIET_CLAIMS:
                quiet.append(took[0])
            else:
                begun.set()
                busy.append(took[0])
                reads.append(took[1])

    def claim_read_release(client, token):
        claims, began = f"/v1/drops/{drop}/claims", time.monotonic()
        claim = client.has(201, "POST", claims, token, {"quantity": 1})
        claimed = time.monotonic()
        time.sleep(THINKING_SECONDS)
        asked = time.monotonic()
        client.has(200, "GET", f"/v1/drops/{drop}")
        read = time.monotonic()
        time.sleep(THINKING_SECONDS)
        client.has(204, "DELETE", f"{claims}/{claim['id']}", token)
        time.sleep(THINKING_SECONDS)
        return (claimed - began) * 1_000, (read - asked) * 1_000

    def guarded(client):
        try:
            buy(client)
        except Exception as fault:
            faults.append(repr(fault))
            begun.set()

    # Each from a separate network.
    clients = [Client(port, f"127.1.{number}.1") for number in range(BUYERS)]
    threads = [threading.Thread(target=guarded, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended.put((sorted(quiet), sorted(busy), sorted(reads), faults))
