"""What happens to a cluster's users when nodes, Redis or the network between them fail."""
import asyncio
import itertools
import re
import signal

from harness.client import Client
from harness.netcluster import wait_for
from harness.wire import PATIENCE

numbers = itertools.count(1)


async def login(node, user, resource="r"):
    client = Client(f"{user}@{node.member}", node.endpoint, user, "localhost", "secret", resource)
    await client.connect()
    await client.send("<presence/>")
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


async def a_killed_node_is_buried_and_its_users_come_back_elsewhere(cluster):
    nodes, (romeo, juliet, mercutio) = await three_with_users(cluster)
    await talk(romeo, juliet, mercutio)
    await nodes[1].kill()
    juliet.abort()
    await says_in_log(nodes[0], "a node is dead")
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
        await says_in_log(node, "a node is dead")
    await talk(romeo, juliet)

    async def unready():
        return await nodes[2].readiness() != "ready"
    await wait_for(unready, 60 * PATIENCE, "it says that it is cut off")
    cluster.network.heal()

    async def ready():
        return await nodes[2].readiness() == "ready"
    await wait_for(ready, 30 * PATIENCE, "it comes back")
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
    await says_in_log(nodes[0], "a node is dead", 40 * PATIENCE)
    await talk(romeo, juliet)
    again = await login(nodes[0], "mercutio", "again")
    await talk(romeo, again)
    nodes[2].thaw()

    async def ready():
        return await nodes[2].readiness() == "ready"
    await wait_for(ready, 30 * PATIENCE, "it comes back")
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


CASES = [users_of_all_nodes_talk, a_killed_node_is_buried_and_its_users_come_back_elsewhere, a_link_that_is_cut_is_gone_round,
         a_link_that_loses_packets_loses_no_messages, a_node_that_is_cut_off_says_so_and_comes_back, without_redis_all_goes_on,
         a_frozen_node_is_buried_and_thaws_as_another, a_short_freeze_is_a_delay, a_node_that_ends_leaves,
         a_node_that_redis_alone_cannot_reach_lives_on, nothing_is_lost_repeated_or_reordered_by_resets]
