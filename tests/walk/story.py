"""The walk of two new users, Romeo and Juliet, from their first login to the morning after a restart. It knows no client."""
import re

from desk import until
from evidence import check_stanza, roster
from harness.stanza import NS

PASSWORD = "secret"
GREETING = "But soft, what light?"
ANSWER = "Ay me & <alas>!"
LATE = "Art thou gone so? I must hear from thee"
MORNING = "It is the lark, the herald of the morn"
WELL_KNOWN_WARNINGS = ("self-signed certificate", "a callback takes long")  # the latter is the machine's, when it has other work


async def register(node, *people):
    for p in people:
        code, out, err = await node.ctl("register_identified", p.user, p.host, PASSWORD)
        assert code == 0 and p.jid in out, (code, out, err)


async def rosters_are(node, *wanted):
    """wanted: (person, friend, subscription, ask). Waits for each: what one does reaches the other a moment later."""
    for person, friend, subscription, ask in wanted:
        seen = {}

        async def same(person=person, friend=friend, goal=(subscription, ask), seen=seen):
            seen.clear()
            seen.update(await roster(node, person.jid, PASSWORD))
            return seen == {friend.jid: goal}
        await until(same, lambda: f"{person.user}'s roster is {seen}, not {friend.jid}: {subscription} {ask}")


async def sessions(node):
    """Bare JIDs of all sessions; each is encrypted."""
    code, out, err = await node.ctl("connected_users_info")
    assert code == 0, err
    lines = [line.split("\t") for line in out.splitlines()]
    assert all("c2s_tls" in line for line in lines), out
    return sorted(line[0].split("/")[0] for line in lines)


async def both_are_in(node, *people):
    async def there():
        return await sessions(node) == sorted(p.jid for p in people)
    await until(there, "not both are connected", seconds=60)


def check_console(stanzas, reader, friend, body):
    """Each stanza that the console shows is right; one is the friend's message. Acknowledgements (XEP-0198) are no stanzas."""
    stanzas = [e for e in stanzas if e.ns == NS["client"]]
    for e in stanzas:
        check_stanza(e, reader.jid)
    messages = [e for e in stanzas if e.name == "message" and e.child("body") and e.child("body").text() == body]
    assert len(messages) == 1, "\n".join(map(str, stanzas))
    sender, to = messages[0].get("from"), messages[0].get("to")
    assert sender.startswith(friend.jid + "/") and to.split("/")[0] == reader.jid, messages[0]
    assert messages[0].get("type") == "chat" and messages[0].get("id"), messages[0]


def check_node_log(node):
    """Nothing happened that an administrator should look at."""
    warnings = [line for line in node.log_text().splitlines() if re.search(r"level=(warn|error)", line)]
    bad = [line for line in warnings if not any(known in line for known in WELL_KNOWN_WARNINGS)]
    assert not bad, "\n".join(bad)


async def become_friends(step, node, romeo, juliet):
    async with step("Romeo asks Juliet for her presence"):
        await romeo.ask(juliet)
        await rosters_are(node, (romeo, juliet, "none", "subscribe"))
        await romeo.sees(juliet, "unavailable")
    async with step("Juliet sees the request, accepts, and asks Romeo"):
        await juliet.accept(romeo)
        await rosters_are(node, (romeo, juliet, "both", None), (juliet, romeo, "both", None))
    async with step("each sees the other online"):
        await romeo.sees(juliet, "available")
        await juliet.sees(romeo, "available")
    async with step("a status is seen"):
        await romeo.set_status("away", "in the orchard")
        await juliet.sees(romeo, "away")
        await romeo.set_status("available")
        await juliet.sees(romeo, "available")


async def talk(step, node, romeo, juliet):
    async with step("messages both ways, and the XML console shows them"):
        await juliet.open_console()
        await romeo.say(juliet, GREETING)
        check_console(await juliet.read_console(GREETING), juliet, romeo, GREETING)
        await juliet.hears(romeo, GREETING)
        await juliet.say(romeo, ANSWER)
        await romeo.hears(juliet, ANSWER)
        romeo.shoot("chat")
    async with step("what is said to somebody who is away waits"):
        await romeo.leave()
        await juliet.sees(romeo, "unavailable")
        await juliet.say(romeo, LATE)
        await romeo.come_back()
        await romeo.hears(juliet, LATE)
        await juliet.sees(romeo, "available")


async def restart(step, node, romeo, juliet):
    async with step("the node ends, and both notice"):
        problems = await node.halt()
        assert not problems, problems
        await romeo.is_offline()
        await juliet.is_offline()
        juliet.shoot("node-down")
    async with step("it starts, both come back by themselves"):
        await node.start()
        await both_are_in(node, romeo, juliet)
        await romeo.sees(juliet, "available")
        await juliet.sees(romeo, "available")
    async with step("the rosters are as they were"):
        await rosters_are(node, (romeo, juliet, "both", None), (juliet, romeo, "both", None))
    async with step("and they talk on"):
        await romeo.say(juliet, MORNING)
        await juliet.hears(romeo, MORNING)
        juliet.shoot("morning")


async def walk(step, node, romeo, juliet):
    """Each step begins where the one before it ended."""
    async with step("starlingctl makes two accounts"):
        await register(node, romeo, juliet)
    async with step(f"Romeo mistypes his password in {romeo.client}"):
        await romeo.mistype(PASSWORD + "x")
    async with step(f"Romeo logs in with {romeo.client}, Juliet with {juliet.client}"):
        await romeo.log_in(PASSWORD, trusted=True)
        await juliet.log_in(PASSWORD)
        await both_are_in(node, romeo, juliet)
    await become_friends(step, node, romeo, juliet)
    await talk(step, node, romeo, juliet)
    await restart(step, node, romeo, juliet)
    async with step("all XML was well-formed and rightly addressed, every request was answered once"):
        for person in (romeo, juliet):
            streams = person.streams()
            looked_at = [stream.check(over=stream is not streams[-1]) for stream in streams]
            assert sum(looked_at) > 20, f"only {looked_at} stanzas were seen"
    async with step("the node logged no warning"):
        check_node_log(node)
