"""What happens to a cluster's users when nodes, Redis or the network between them fail."""
import asyncio
import itertools
import re
import signal
import time

from harness.client import Client
from harness.netcluster import wait_for
from harness.wire import PATIENCE

# What docs/cluster.md promises, with margin for a busy machine: a death that a refused connection tells (about a second), one that the end
# of the lease tells (8 s), a third node that relays (2 s), and coming back (3 s).
REFUSED_S, LEASE_S, RELAY_S, BACK_S = 4 * PATIENCE, 20 * PATIENCE, 8 * PATIENCE, 12 * PATIENCE

numbers = itertools.count(1)


async def come(node, user, resource="r"):
    client = Client(f"{user}@{node.member}", node.endpoint, user, "localhost", "secret", resource)
    await client.connect()
    await client.send("<presence/>")
    return client


async def login(node, user, resource="r"):
    """What waited for it is not looked at."""
    client = await come(node, user, resource)
    await client.ping()
    return client


async def says(sender, to, timeout=30 * PATIENCE):
    """A message to a client that is there, which gets it once."""
    body = f"number {next(numbers)}"
    await sender.send(f"<message to='{to.jid}' type='chat'><body>{body}</body></message>")

    def is_it(e):
        return e.name == "message" and e.child("body") is not None and e.child("body").text() == body
    await to.await_stanza(is_it, f"'{body}' from {sender.name}", timeout)


async def talk(*clients):
    for a, b in itertools.permutations(clients, 2):
        await says(a, b)


async def three_with_users(cluster):
    nodes = await cluster.start(3)
    for user in ("romeo", "juliet", "mercutio"):
        await cluster.register(user)
    return nodes, [await login(n, u) for n, u in zip(nodes, ("romeo", "juliet", "mercutio"))]


def bare(client):
    return client.jid.split("/")[0]


async def befriend(one, other):
    """Each sees the other's presence from now on."""
    for a, b in ((one, other), (other, one)):
        await a.send(f"<presence to='{bare(b)}' type='subscribe'/>")
        await b.await_stanza(lambda e, a=a: e.name == "presence" and e.get("type") == "subscribe" and e.get("from") == bare(a), "a request")
        await b.send(f"<presence to='{bare(a)}' type='subscribed'/>")
        await sees(a, b)


async def sees(who, other, available=True, timeout=30 * PATIENCE):
    """Hears of the presence of another client, or of its end."""
    def is_it(e):
        # that nobody is there any more may be said of the account as a whole
        names = (other.jid,) if available else (other.jid, bare(other))
        return e.name == "presence" and e.get("from") in names and e.get("type") == (None if available else "unavailable")
    await who.await_stanza(is_it, f"{other.name} is {'there' if available else 'away'}, says {who.name}", timeout)


async def told(who, other, body):
    """Hears that the other is away, and gets this message: in whatever order."""
    waits = {"the presence", "the message"}
    while waits:
        kind, e = await who.next(30 * PATIENCE, " and ".join(waits))
        if kind == "stanza" and e.name == "presence" and e.get("from") in (other.jid, bare(other)) and e.get("type") == "unavailable":
            waits.discard("the presence")
        elif kind == "stanza" and e.child("body") is not None and e.child("body").text() == body:
            waits.remove("the message")


def heard(node, text, since=0):
    return len(re.findall(re.escape(text), node.log_text()[since:]))


async def says_in_log(node, text, seconds=30 * PATIENCE, since=0):
    async def there():
        return heard(node, text, since)
    await wait_for(there, seconds, f"{node.member} says '{text}'")


# ---- cases ----

async def users_of_all_nodes_talk(cluster):
    nodes, clients = await three_with_users(cluster)
    await talk(*clients)
    second = await login(nodes[2], "romeo", "second")  # two devices on two nodes
    await says(clients[1], second)
    await second.close()
    for client in clients:
        await client.close()


async def registry_is_grown_up(cluster):
    """Nobody is buried before his lease ends as long as Redis began less than a lease ago: it may not have heard of all yet."""
    async def old():
        return cluster.redis.ask("EXISTS", "c:young") == "0"
    await wait_for(old, LEASE_S, "Redis has been there for a lease")


async def a_killed_node_is_buried_and_its_users_come_back_elsewhere(cluster):
    nodes, (romeo, juliet, mercutio) = await three_with_users(cluster)
    await befriend(romeo, juliet)
    phone = await login(nodes[2], "juliet", "phone")  # at home where the first one is, and not gone with it
    await sees(romeo, phone)
    await talk(romeo, juliet, phone, mercutio)
    await registry_is_grown_up(cluster)
    await nodes[1].kill()
    juliet.abort()
    # Logs of several nodes are read together: each line says whose it is.
    await says_in_log(nodes[0], f'component=cluster node={nodes[0].member} msg="a node is dead" text={nodes[1].member} epoch=', REFUSED_S)
    gone = await romeo.await_stanza(lambda e: e.get("type") == "unavailable", "juliet is away")
    assert gone.get("from") == juliet.jid, gone
    await talk(romeo, phone)
    await phone.close()
    gone = await romeo.await_stanza(lambda e: e.get("type") == "unavailable", "so is her phone, but not before")
    assert gone.get("from") == phone.jid, gone
    juliet = await login(nodes[2], "juliet")
    await talk(romeo, juliet, mercutio)
    await nodes[1].start()  # as another incarnation
    third = await login(nodes[1], "juliet", "again")
    await says(romeo, third)
    await says(third, mercutio)


async def a_link_that_is_cut_is_gone_round(cluster):
    """Two nodes do not reach one another; both reach the third, and Redis."""
    nodes, clients = await three_with_users(cluster)
    await talk(*clients)
    cluster.network.cut(nodes[0].member, nodes[1].member)
    await talk(*clients)
    cluster.network.heal()
    await talk(*clients)


async def a_link_that_loses_packets_loses_no_messages(cluster):
    nodes, clients = await three_with_users(cluster)
    cluster.network.lose(nodes[0].member, nodes[1].member, 0.1)
    for _ in range(10):
        await talk(*clients[:2])


async def a_node_that_is_cut_off_says_so_and_comes_back(cluster):
    nodes, (romeo, juliet, mercutio) = await three_with_users(cluster)
    cluster.network.isolate(nodes[2].member)
    for node in nodes[:2]:
        await says_in_log(node, "a node is dead", LEASE_S)
    await talk(romeo, juliet)

    async def unready():
        return await nodes[2].readiness() != "ready"
    await wait_for(unready, 60 * PATIENCE, "it says that it is cut off")
    cluster.network.heal()

    async def ready():
        return await nodes[2].readiness() == "ready"
    await wait_for(ready, BACK_S, "it comes back")
    fresh = await login(nodes[2], "mercutio", "fresh")
    await talk(romeo, juliet, fresh)


async def without_redis_all_goes_on(cluster):
    nodes, clients = await three_with_users(cluster)
    cluster.redis.kill()
    await talk(*clients)
    second = await login(nodes[1], "romeo", "second")
    await says(clients[2], second)
    cluster.redis.start()  # it has forgotten everything

    async def knows_them():
        return cluster.redis.ask("HLEN", "c:nodes") == "3"
    await wait_for(knows_them, 30 * PATIENCE, "Redis knows the nodes again")
    await talk(*clients)
    await cluster.start(1)
    fourth = await login(cluster.nodes[3], "juliet", "fourth")
    await talk(clients[0], fourth)


async def a_frozen_node_is_buried_and_thaws_as_another(cluster):
    nodes, (romeo, juliet, mercutio) = await three_with_users(cluster)
    nodes[2].freeze()
    await says_in_log(nodes[0], "a node is dead", LEASE_S)
    await talk(romeo, juliet)
    again = await login(nodes[0], "mercutio", "again")
    await talk(romeo, again)
    nodes[2].thaw()

    async def ready():
        return await nodes[2].readiness() == "ready"
    await wait_for(ready, BACK_S, "it comes back")
    fresh = await login(nodes[2], "juliet", "fresh")
    await talk(romeo, fresh)


async def a_short_freeze_is_a_delay(cluster):
    nodes, clients = await three_with_users(cluster)
    nodes[1].freeze()
    await asyncio.sleep(1)  # the fault itself, not a wait
    nodes[1].thaw()
    await talk(*clients)
    assert not any(heard(n, "a node is dead") for n in nodes)


async def a_node_that_ends_leaves(cluster):
    nodes, (romeo, juliet, mercutio) = await three_with_users(cluster)
    assert not await nodes[1].halt(signal.SIGTERM)
    juliet = await login(nodes[0], "juliet")
    await talk(romeo, juliet, mercutio)
    assert not any(heard(n, "a node is dead") for n in nodes)
    leases = cluster.redis.ask("KEYS", "c:lease:*").split()
    assert len(leases) == 2, leases


async def what_is_sent_to_a_node_that_ends_is_not_lost(cluster):
    """The sender's node hears only after more than a second that the other, which gets what is sent, ends."""
    nodes = await cluster.start(2)
    for user in ("romeo", "juliet"):
        await cluster.register(user)
    romeo, juliet = await login(nodes[0], "romeo"), await login(nodes[1], "juliet")
    await talk(romeo, juliet)
    to, count, got = bare(juliet), 100, []
    cluster.network.cut_one_way(nodes[1].member, nodes[0].member)
    end = asyncio.create_task(nodes[1].halt(signal.SIGTERM))
    await says_in_log(nodes[1], "stopping")
    await juliet.close()
    for i in range(count):
        await romeo.send(f"<message to='{to}' type='chat'><body>{i}</body></message>")
        await asyncio.sleep(0.015)  # how people talk, not a wait
    cluster.network.heal()
    await romeo.ping()
    assert not await end
    assert not heard(nodes[0], "a node is dead") and heard(nodes[0], "a node has left")
    juliet = await come(nodes[0], "juliet", "again")
    while len(got) < count:
        kind, e = await juliet.next(30 * PATIENCE, f"all of {count} messages, after {got}")
        if kind == "stanza" and e.name == "message":
            got.append(e.child("body").text())
    assert got == [*map(str, range(count))], got


async def a_node_that_redis_alone_cannot_reach_lives_on(cluster):
    """Its lease is renewed by the others, who hear it."""
    nodes, clients = await three_with_users(cluster)
    cluster.network.cut(nodes[0].member, cluster.redis.member)
    await says_in_log(nodes[0], "Redis is away")
    lease = 9 * PATIENCE
    await asyncio.sleep(lease)  # past it there would be no lease: nothing to wait for
    await talk(*clients)
    assert not any(heard(n, "a node is dead") for n in nodes)
    cluster.network.heal()
    await says_in_log(nodes[0], "Redis is there", since=nodes[0].log_text().index("Redis is away"))


async def nothing_is_lost_repeated_or_reordered_by_resets(cluster):
    """Two users of two nodes, one of whom talks all the time while the link between the nodes is reset again and again."""
    nodes, (romeo, juliet, _) = await three_with_users(cluster)
    count, got = 1500, []

    async def send():
        for i in range(count):
            await romeo.send(f"<message to='{juliet.jid}' type='chat'><body>{i}</body></message>")
            await asyncio.sleep(0.003)

    async def receive():
        while len(got) < count:
            kind, value = await juliet.next(60 * PATIENCE, "a message")
            assert kind == "stanza", (kind, value)
            if value.name == "message":
                got.append(int(value.child("body").text()))
    both = asyncio.gather(send(), receive())
    resets = 0
    while not both.done() and resets < 5:
        before = len(got)

        async def goes_on():
            return len(got) > before + 50 or both.done()
        await wait_for(goes_on)
        cluster.network.reset(nodes[0].member, nodes[1].member)
        await asyncio.sleep(0.5)  # the fault itself
        cluster.network.heal(nodes[0].member, nodes[1].member)
        resets += 1
    await both
    assert resets == 5, f"only {resets} resets while they talked"
    assert got == list(range(count)), [x for x, y in zip(got, range(count)) if x != y][:5]


async def talked_through(romeo, juliet, fault):
    """He talks all the time while it happens; she gets all, once, in order. The longest time that nothing came, in seconds."""
    got, total, longest = [], None, 0.0
    over = asyncio.create_task(fault())

    async def say(i):
        await romeo.send(f"<message to='{juliet.jid}' type='chat'><body>{i}</body></message>")

    async def send():
        nonlocal total
        said = 0
        while not over.done():
            await say(said)
            said += 1
            await asyncio.sleep(0.005)  # how people talk, not a wait
        total = said + 1
        await say(said)
    sender, last = asyncio.create_task(send()), time.monotonic()
    while total is None or len(got) < total:
        kind, value = await juliet.next(60 * PATIENCE, "a message")
        assert kind == "stanza", (kind, value)
        if value.name == "message":
            got.append(int(value.child("body").text()))
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
    await asyncio.gather(sender, over)
    assert got == list(range(total)), [x for x, y in zip(got, range(total)) if x != y][:5]
    return longest


async def who_talks_misses_nothing_by_cuts_and_the_death_of_another(cluster):
    """The way between two nodes is cut in both directions, in one, in the other; then the third, which had relayed, is killed."""
    nodes, (romeo, juliet, mercutio) = await three_with_users(cluster)
    one, other = nodes[0].member, nodes[1].member

    async def cuts():
        for cut in (lambda: cluster.network.cut(one, other), lambda: cluster.network.cut_one_way(one, other),
                    lambda: cluster.network.cut_one_way(other, one)):
            cut()
            await asyncio.sleep(4)  # the fault itself
            cluster.network.heal(one, other)
            await asyncio.sleep(1)  # and none
    longest = await talked_through(romeo, juliet, cuts)
    assert longest < RELAY_S, f"nothing came for {longest:.1f} s"
    assert heard(nodes[0], "a node is reached through a third one"), "nobody relayed"

    async def dies():
        await nodes[2].kill()
        await says_in_log(nodes[0], "a node is dead", REFUSED_S)
    await registry_is_grown_up(cluster)
    longest = await talked_through(romeo, juliet, dies)
    assert longest < 2 * PATIENCE, f"nothing came for {longest:.1f} s"
    mercutio.abort()
    await nodes[2].start()
    await talk(romeo, juliet, await login(nodes[2], "mercutio", "again"))


async def whoever_was_cut_off_is_seen_again_and_sees(cluster):
    """Their contacts have heard that they are away; they have not heard what their contacts did."""
    nodes, (romeo, juliet, mercutio) = await three_with_users(cluster)
    for a, b in itertools.combinations((romeo, juliet, mercutio), 2):
        await befriend(a, b)
    cluster.network.isolate(nodes[2].member)
    for node in nodes[:2]:
        await says_in_log(node, "a node is dead", LEASE_S)
    await sees(romeo, mercutio, available=False)
    await juliet.close()
    await sees(romeo, juliet, available=False)
    await romeo.send(f"<message to='{bare(mercutio)}' type='chat'><body>while you were away</body></message>")
    await romeo.ping()
    cluster.network.heal()
    await asyncio.gather(sees(romeo, mercutio), told(mercutio, juliet, "while you were away"))
    await talk(romeo, mercutio)


async def whoever_was_cut_off_without_redis_is_seen_again_and_sees(cluster):
    """Nobody purges what the dead node had, as nobody knows; but who logs in meanwhile sees nobody there."""
    nodes, (romeo, juliet, mercutio) = await three_with_users(cluster)
    for a, b in itertools.combinations((romeo, juliet, mercutio), 2):
        await befriend(a, b)
    cluster.redis.kill()
    for node in nodes:
        await says_in_log(node, "Redis is away")
    cluster.network.isolate(nodes[2].member)
    for node in nodes[:2]:
        await says_in_log(node, "a node is dead")
    await romeo.close()
    await sees(juliet, romeo, available=False)
    romeo = await login(nodes[0], "romeo", "again")
    await sees(juliet, romeo)
    await juliet.close()
    cluster.network.heal()
    cluster.redis.start()
    await sees(romeo, mercutio, timeout=60 * PATIENCE)
    await sees(mercutio, juliet, available=False)
    await talk(romeo, mercutio)


CASES = [users_of_all_nodes_talk, a_killed_node_is_buried_and_its_users_come_back_elsewhere, a_link_that_is_cut_is_gone_round,
         a_link_that_loses_packets_loses_no_messages, a_node_that_is_cut_off_says_so_and_comes_back, without_redis_all_goes_on,
         a_frozen_node_is_buried_and_thaws_as_another, a_short_freeze_is_a_delay, a_node_that_ends_leaves,
         what_is_sent_to_a_node_that_ends_is_not_lost,
         a_node_that_redis_alone_cannot_reach_lives_on, whoever_was_cut_off_is_seen_again_and_sees,
         whoever_was_cut_off_without_redis_is_seen_again_and_sees, nothing_is_lost_repeated_or_reordered_by_resets,
         who_talks_misses_nothing_by_cuts_and_the_death_of_another]
