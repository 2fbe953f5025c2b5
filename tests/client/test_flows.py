"""Calls that take several requests: what is known when one of them fails; no test here waits."""

import json

import pytest

from airflow_provider.mixpeek.client import (
    MixpeekAnswerError,
    MixpeekConnectionError,
    MixpeekError,
    MixpeekNotFoundError,
    WaitFor,
    _batch_flows,
    _bucket_flows,
)
from airflow_provider.mixpeek.client._calls import Query, Reading
from airflow_provider.mixpeek.client._flow import Answer
from airflow_provider.mixpeek.client._looks import look
from airflow_provider.mixpeek.waiting import FailedLook

TASK = Answer(200, {}, b'{"task_id": "task_1", "status": "COMPLETED"}')


def status(code, retry_after=None, body=b"", **headers):
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    return Answer(code, headers, body)


def reset(*, may_be_stored=True):
    return MixpeekConnectionError("reset", retryable=True, may_be_stored=may_be_stored)


# --- several requests ---

NO_BUCKETS = Answer(200, {}, b'{"results": []}')
DRAFT = Answer(200, {}, b'{"batch_id": "btch_1", "status": "DRAFT"}')
RUNNING = Answer(200, {}, b'{"batch_id": "btch_1", "status": "PROCESSING", "task_id": "task_9"}')


def create_bucket(world, if_exists="reuse"):
    return _bucket_flows.create_bucket(
        world.session,
        "shop",
        schema={"a": "text"},
        if_exists=if_exists,
        description=None,
        unique_key=None,
        metadata=None,
        declare_metadata=False,
    )


def bucket_list(*names):
    rows = ",".join(
        f'{{"bucket_id": "bkt_{n}", "bucket_name": "{name}",'
        f' "bucket_schema": {{"properties": {{"a": {{"type": "text"}}}}}}}}'
        for n, name in enumerate(names)
    )
    return Answer(200, {}, f'{{"results": [{rows}]}}'.encode())


@pytest.mark.parametrize("lost", [reset(), status(409), status(500)])
def test_reuse_takes_what_a_lost_or_raced_create_made(world, lost):
    world.answers = [NO_BUCKETS, lost, bucket_list("other", "shop")]
    assert world.run(create_bucket(world)).bucket_id == "bkt_1"


def test_a_lost_create_that_made_nothing_visible_stays_in_doubt(world):
    world.answers = [NO_BUCKETS, reset(), NO_BUCKETS]
    with pytest.raises(MixpeekConnectionError) as caught:
        world.run(create_bucket(world))
    assert caught.value.may_be_stored


def test_what_was_in_doubt_is_so_still_when_looking_fails(world):
    world.answers = [NO_BUCKETS, reset(), status(401)]
    with pytest.raises(MixpeekError, match="401") as caught:
        world.run(create_bucket(world))
    assert caught.value.may_be_stored


def test_without_reuse_a_lost_create_is_not_looked_for(world):
    world.answers = [NO_BUCKETS, reset()]
    with pytest.raises(MixpeekConnectionError):
        world.run(create_bucket(world, "fail"))


def test_two_buckets_of_one_name_are_not_chosen_from(world):
    world.answers = [bucket_list("shop", "shop")]
    with pytest.raises(MixpeekError, match=r"2 buckets are named 'shop' \(bkt_0, bkt_1\)"):
        world.run(create_bucket(world))
    world.answers = [bucket_list("shop", "shop")]
    with pytest.raises(MixpeekError, match="Name one by its id: bkt_0, bkt_1"):
        world.run(_bucket_flows.find_bucket(world.session, "shop"))


def submit(world):
    return world.run(_batch_flows.submit_batch(world.session, "bkt_1", "btch_1", force=False))


def test_a_submit_whose_answer_was_lost_is_not_sent_again(world):
    world.answers = [reset(), RUNNING]
    task = submit(world)
    assert (task.task_id, task.batch_id, task.status) == ("task_9", "btch_1", "PROCESSING")


@pytest.mark.parametrize("lag", [[status(404)] * 3, [DRAFT, status(409), DRAFT, DRAFT]])
def test_a_batch_that_does_not_show_yet_is_waited_for(world, lag):
    world.answers = [reset(), *lag, RUNNING]
    assert submit(world).task_id == "task_9"
    assert not world.answers


def test_a_batch_that_is_still_a_draft_is_submitted_again(world):
    world.answers = [reset(), DRAFT, TASK]
    assert submit(world).task_id == "task_1"
    assert [request.method for _, request in world.sent] == ["POST", "GET", "POST"]


def test_a_submit_that_is_never_answered_ends(world):
    world.answers = [reset(), DRAFT] * 3
    with pytest.raises(MixpeekConnectionError) as caught:
        submit(world)
    assert caught.value.may_be_stored


def test_a_batch_that_somebody_submitted_already_is_taken(world):
    world.answers = [status(409), RUNNING]
    assert submit(world).task_id == "task_9"


def test_a_draft_that_is_refused_is_an_error(world):
    world.answers = [status(409), DRAFT]
    with pytest.raises(MixpeekError, match="409") as caught:
        submit(world)
    assert not caught.value.may_be_stored


@pytest.mark.parametrize(
    "then", [[DRAFT, status(403)], [DRAFT, status(409), *[DRAFT] * 13], [status(404)] * 13]
)
def test_a_submit_stays_in_doubt_whatever_comes_after(world, then):
    world.answers = [reset(), *then]
    with pytest.raises(MixpeekError) as caught:
        submit(world)
    assert caught.value.may_be_stored
    assert not world.answers


def test_a_submitted_batch_without_a_task_is_an_error(world):
    world.answers = [reset(), Answer(200, {}, b'{"batch_id": "btch_1", "status": "PROCESSING"}')]
    with pytest.raises(MixpeekAnswerError, match="names no task") as caught:
        submit(world)
    assert caught.value.may_be_stored


def test_a_submit_answered_without_a_task_id_is_not_sent_again(world):
    world.answers = [Answer(200, {}, b'{"results": []}')]
    with pytest.raises(MixpeekAnswerError, match=r"it has no task_id.*other generation"):
        submit(world)


def test_a_bucket_that_is_gone_after_a_lost_answer_is_deleted(world):
    world.answers = [reset(), status(404)]
    assert world.run(_bucket_flows.delete_bucket(world.session, "bkt_1")).bucket_id == "bkt_1"
    world.answers = [status(404)]
    with pytest.raises(MixpeekNotFoundError):
        world.run(_bucket_flows.delete_bucket(world.session, "bkt_1"))


# --- lists ---


def page(cursor, *names):
    body = bucket_list(*names).content.decode()
    return Answer(200, {}, f'{body[:-1]}, "pagination": {{"next_cursor": {cursor}}}}}'.encode())


@pytest.mark.parametrize(
    "pages",
    [
        [page('"a"'), page('"a"')],
        [page('"a"'), page('"b"'), page('"c"'), page('"a"')],
    ],
)
def test_a_list_whose_cursors_go_in_circles_is_an_error(world, pages):
    world.answers = list(pages)
    with pytest.raises(MixpeekAnswerError, match="never ends"):
        world.run(_bucket_flows.buckets_named(world.session, "shop"))


@pytest.mark.parametrize("last", ["null", '""'])
def test_a_list_ends_without_a_cursor(world, last):
    world.answers = [page('"a"', "shop"), page('"b"'), page(last, "shop")]
    assert len(world.run(_bucket_flows.buckets_named(world.session, "shop"))) == 2
    assert [dict(request.query).get("cursor") for _, request in world.sent] == [None, "a", "b"]


def test_an_offset_counts_once_and_then_the_cursor(world):
    world.answers = [page('"a"', "shop"), page("null", "more")]
    reading, query = Reading(), Query(offset=3)
    while not reading.ended:
        reading.turn(world.run(_bucket_flows.bucket_page(world.session, query, reading)))
    sent = [{**json.loads(request.body), **dict(request.query)} for _, request in world.sent]
    assert [(each.get("offset"), each.get("cursor")) for each in sent] == [("3", None), (None, "a")]


# --- looks ---


@pytest.mark.parametrize("answer", [status(429, 4), status(500), status(503), reset(), status(599)])
def test_a_failed_look_does_not_wait(world, answer):
    world.answers = [answer]
    assert isinstance(world.run(look(world.session, WaitFor("task_1"))), FailedLook)
    assert world.sleeps == []


@pytest.mark.parametrize("answer", [status(401), status(403), status(200, body=b"<html>")])
def test_a_look_that_is_refused_is_an_error(world, answer):
    world.answers = [answer]
    with pytest.raises(MixpeekError, match=str(answer.status)):
        world.run(look(world.session, WaitFor("task_1")))
