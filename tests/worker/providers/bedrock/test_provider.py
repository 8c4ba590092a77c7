"""Jobs at Bedrock: made once, found again, followed to their end."""

from datetime import UTC

import pytest

from tests.worker.providers.bedrock.account import BUCKET, NOVA, ROLE, Account
from tests.worker.providers.bedrock.orders import KEY, chat, order, uploaded
from worker.providers.remote import AccessRefused, Gone, Refused, RemoteState, Unavailable

CSV = "step_number,epoch_number,training_loss,perplexity\n0,0,2.5,12.1\n1,0,1.25,3.4\n"
VALID = "step_number,epoch_number,validation_loss,perplexity\n1,0,1.5,4.4\n"


def test_a_job_is_made_with_our_key_as_name_and_token_and_with_our_tags(aws: Account) -> None:
    remote = aws.open()
    made = remote.create(order(uploaded(remote, chat()), metadata={"team": "blue", "odd": "ä", "aws:x": "1"}))
    job = aws.jobs[KEY]
    assert (made.id, made.key, made.house) == (job.job_arn, KEY, "org-house")
    assert (job.client_request_token, job.base_model_identifier, job.role_arn) == (KEY, NOVA, ROLE)
    assert job.custom_model_name == f"My-model-no-1-{KEY[-20:]}"
    assert {tag["key"]: tag["value"] for tag in job.job_tags} == {
        "tuneworks:key": KEY, "tuneworks:house": "org-house", "tuneworks:job": "ftjob-1",
        "tuneworks:metadata/team": "blue", "tuneworks:metadata/aws:x": "1"}
    assert job.output_data_config == {"s3Uri": f"s3://{BUCKET}/tuneworks/outputs/{KEY}/"}


def test_the_same_order_twice_makes_one_job(aws: Account) -> None:
    remote = aws.open()
    asked = order(uploaded(remote, chat()))
    assert remote.create(asked).id == remote.create(asked).id
    assert len(aws.jobs) == 1


def test_hyperparameters_become_bedrocks_and_come_back_as_ours(aws: Account) -> None:
    remote = aws.open()
    numbers = {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": 2.0}
    method = {"type": "supervised", "supervised": {"hyperparameters": numbers}}
    made = remote.create(order(uploaded(remote, chat()), method=method))
    assert aws.jobs[KEY].hyper_parameters == {"epochCount": "3", "learningRate": "2e-05"}
    assert remote.retrieve(made.id).hyperparameters == {"n_epochs": 3, "learning_rate_multiplier": 2.0}


@pytest.mark.parametrize(("method", "param"), [
    ({"type": "dpo", "dpo": {}}, "method.type"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 6}}},
     "method.supervised.hyperparameters.n_epochs"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"batch_size": 4}}},
     "method.supervised.hyperparameters.batch_size"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"learning_rate_multiplier": 11}}},
     "method.supervised.hyperparameters.learning_rate_multiplier"),
])
def test_what_bedrock_cannot_do_is_refused_before_anything_is_asked(aws: Account, method: dict[str, object],
                                                                    param: str) -> None:
    remote = aws.open()
    file = uploaded(remote, chat())
    aws.asked.clear()
    with pytest.raises(Refused) as refused:
        remote.create(order(file, method=method))
    assert refused.value.param == param
    assert aws.asked == []


def test_a_model_that_uses_no_validation_file_is_not_given_one(aws: Account) -> None:
    remote = aws.open()
    file = uploaded(remote, chat(300))
    with pytest.raises(Refused) as refused:
        remote.create(order(file, model="amazon.nova-2-lite-v1:0:256k", validation_file=file))
    assert refused.value.param == "validation_file"


def test_an_unknown_model_is_refused_in_words(aws: Account) -> None:
    remote = aws.open()
    with pytest.raises(Refused) as refused:
        remote.create(order(uploaded(remote, chat()), model="amazon.titan-nothing-v1"))
    assert (refused.value.code, refused.value.param) == ("model_not_available", "model")


def test_a_tuned_model_is_trained_on_again_in_the_form_of_its_base(aws: Account) -> None:
    remote = aws.open()
    file = uploaded(remote, chat())
    remote.create(order(file))
    tuned = aws.jobs[KEY].custom_model_name
    remote.create(order(file, key=KEY[:-1] + "f", model=tuned))
    assert aws.jobs[KEY[:-1] + "f"].base_model_identifier == tuned


def test_a_job_is_followed_to_its_end(aws: Account) -> None:
    remote = aws.open()
    file = uploaded(remote, chat())
    made = remote.create(order(file, validation_file=file))
    job = aws.jobs[KEY]
    job.details = {"validationDetails": {"status": "InProgress", "creationTime": "2026-11-26T08:00:00Z"},
                   "trainingDetails": {"status": "NotStarted"}}
    assert remote.retrieve(made.id).state is RemoteState.WAITING
    first = remote.events(made.id, until=None)
    assert [event.message for event in first] == [f"Created model customization job: {KEY}",
                                                  "Validation of the data has begun."]
    job.details = {"validationDetails": {"status": "Completed", "creationTime": "2026-11-26T08:00:00Z",
                                         "lastModifiedTime": "2026-11-26T08:01:00Z"},
                   "trainingDetails": {"status": "InProgress"}}
    assert remote.retrieve(made.id).state is RemoteState.RUNNING
    second = remote.events(made.id, until=first[-1].id)
    assert [event.message for event in second] == ["Validation of the data: Completed", "Training has begun."]

    aws.put_output(KEY, "training_artifacts/step_wise_training_metrics.csv", CSV)
    aws.put_output(KEY, "validation_artifacts/post_fine_tuning_validation/validation_metrics.csv", VALID)
    job.status, job.details["trainingDetails"] = "Completed", {"status": "Completed"}
    ended = remote.retrieve(made.id)
    assert (ended.state, ended.fine_tuned_model) == (RemoteState.SUCCEEDED, job.custom_model_name)
    assert ended.finished_at is not None
    assert ended.finished_at.tzinfo is UTC
    assert [b"".join(remote.content(uri)).decode() for uri in ended.result_files] == [CSV, VALID]
    third = remote.events(made.id, until=second[-1].id)
    assert [(event.type, event.data) for event in third[1:]] == [
        ("metrics", {"step": 0, "epoch": 0.0, "train_loss": 2.5, "train_perplexity": 12.1}),
        ("metrics", {"step": 1, "epoch": 0.0, "train_loss": 1.25, "train_perplexity": 3.4, "valid_loss": 1.5,
                     "valid_perplexity": 4.4}),
        ("message", {})]
    assert remote.events(made.id, until=third[-1].id) == ()
    assert remote.events(made.id, until=None) == first + second + third


def test_a_failed_job_tells_why(aws: Account) -> None:
    remote = aws.open()
    made = remote.create(order(uploaded(remote, chat())))
    aws.jobs[KEY].status, aws.jobs[KEY].failure_message = "Failed", "Line 3 is bad\x00."
    failed = remote.retrieve(made.id)
    assert failed.state is RemoteState.FAILED
    assert failed.error == {"code": "bedrock_job_failed", "message": "Line 3 is bad.", "param": None}
    assert (failed.fine_tuned_model, failed.result_files) == (None, ())
    assert remote.events(made.id, until=None)[-1].level == "error"


def test_a_cancelled_job_stops_when_bedrock_says_so(aws: Account) -> None:
    remote = aws.open()
    made = remote.create(order(uploaded(remote, chat())))
    assert remote.cancel(made.id).state is RemoteState.RUNNING
    assert remote.retrieve(made.id).status == "Stopping"
    aws.jobs[KEY].status = "Stopped"
    assert remote.retrieve(made.id).state is RemoteState.CANCELLED


def test_pausing_is_refused_with_a_reason(aws: Account) -> None:
    for verb in (aws.open().pause, aws.open().resume):
        with pytest.raises(Refused, match="cannot pause"):
            verb("arn:aws:bedrock:us-east-1:123456789012:model-customization-job/x")


def test_an_unknown_job_is_gone(aws: Account) -> None:
    for verb in (aws.open().retrieve, aws.open().cancel):
        with pytest.raises(Gone):
            verb("nothing")


def test_an_unknown_status_is_shown_and_waited_for(aws: Account) -> None:
    remote = aws.open()
    made = remote.create(order(uploaded(remote, chat())))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tests.worker.providers.bedrock.account.hold", lambda *_: None)
        aws.jobs[KEY].status = "Meditating"
        told = remote.retrieve(made.id)
    assert (told.status, told.state) == ("Meditating", RemoteState.UNKNOWN)


def test_lists_show_jobs_newest_first_with_the_house_of_those_that_may_still_cost(aws: Account) -> None:
    remote = aws.open()
    file = uploaded(remote, chat())
    keys = [f"{KEY[:-1]}{n}" for n in range(3)]
    for place, key in enumerate(keys):
        remote.create(order(file, key=key))
        aws.jobs[key].creation_time = f"2026-11-2{place} 00:00:00"
    aws.jobs[keys[0]].status = "Completed"
    first = remote.jobs(limit=2)
    assert [(job.key, job.house) for job in first.items] == [(keys[2], "org-house"), (keys[1], "org-house")]
    second = remote.jobs(after=first.after, limit=2)
    assert [(job.key, job.house, job.state) for job in second.items] == [(keys[0], None, RemoteState.SUCCEEDED)]
    assert second.after is None


def test_a_check_lists_what_can_be_tuned_and_needs_the_bucket(aws: Account) -> None:
    models = {model.id: model.shutdown_date for model in aws.open().check()}
    assert models[NOVA] is None
    assert models["meta.llama3-1-8b-instruct-v1:0:128k"] == "2027-06-30"
    options = {"region": "us-east-1", "bucket": "nobody-has-this", "role_arn": ROLE, "access_key_id": "A" * 16}
    with pytest.raises(AccessRefused, match="nobody-has-this"):
        aws.open(options=options).check()


def test_models_are_those_of_the_service_and_the_accounts_own(aws: Account) -> None:
    remote = aws.open()
    remote.create(order(uploaded(remote, chat())))
    assert {NOVA, aws.jobs[KEY].custom_model_name} <= {model.id for model in remote.models()}


def test_files_are_listed_read_and_deleted(aws: Account) -> None:
    remote = aws.open()
    first, second = uploaded(remote, chat(10)), uploaded(remote, chat(11))
    page = remote.files(limit=1)
    rest = remote.files(after=page.after)
    assert {file.id for file in (*page.items, *rest.items)} == {first, second}
    assert all(file.filename == "training-data-1.jsonl" for file in page.items)
    remote.delete_file(first)
    with pytest.raises(Gone):
        list(remote.content(first))
    with pytest.raises(Gone):
        list(remote.content("file-abc"))


def test_nothing_is_asked_twice_when_the_service_is_busy(aws: Account) -> None:
    remote = aws.open()
    for how in ("throttled", "500_before", "unreached", "reset_before"):
        aws.asked.clear()
        aws.fail("ListModelCustomizationJobs", how)
        with pytest.raises(Unavailable):
            remote.jobs()
        assert aws.asked == ["ListModelCustomizationJobs"]
