"""Redaction: each kind of private data goes, whole; what only looks like it stays."""

import random
import re
import uuid

import pytest

from service.datasets.analysis.privacy import redact
from tests.service.datasets.analysis.building import prose
from tests.service.datasets.analysis.privacy import values

_DICE = random.Random(20)
_T = values.token
_PEM = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *(_T(_DICE, 64) for _ in range(20)), ("-----END RSA PRIVATE"
                                                                                          " KEY-----")])

SECRETS = {
    "openai_key": [f"sk-{_T(_DICE, 48)}", f"sk-proj-{_T(_DICE, 80)}", f"sk-svcacct-{_T(_DICE, 60)}"],
    "anthropic_key": [f"sk-ant-api03-{_T(_DICE, 90)}"],
    "tuneworks_key": [f"tw-proj-{_T(_DICE, 38)}", f"tw-admin-{_T(_DICE, 38)}"],
    "aws_key": ["AKIA" + "".join(_DICE.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=16))],
    "github_token": [f"ghp_{_T(_DICE, 36)}", f"gho_{_T(_DICE, 36)}", f"github_pat_{_T(_DICE, 82)}"],
    "gitlab_token": [f"glpat-{_T(_DICE, 20)}"],
    "slack_token": [f"xoxb-{_DICE.randrange(10**11)}-{_T(_DICE, 24)}"],
    "stripe_key": [f"sk_live_{_T(_DICE, 24)}", f"rk_live_{_T(_DICE, 24)}"],
    "google_key": [f"AIza{_T(_DICE, 35)}"],
    "hugging_face_token": [f"hf_{_T(_DICE, 34)}"],
    "npm_token": [f"npm_{_T(_DICE, 36)}"],
    "pypi_token": [f"pypi-AgEIcHlwaS5vcmc{_T(_DICE, 120)}"],
    "sendgrid_key": [f"SG.{_T(_DICE, 22)}.{_T(_DICE, 43)}"],
    "twilio_key": ["SK" + _DICE.randbytes(16).hex()],
    "private_key": [_PEM, _PEM.replace("\n", "\\n")],
    "jwt": [f"eyJ{_T(_DICE, 30)}.eyJ{_T(_DICE, 90)}.{_T(_DICE, 43)}"],
    "bearer_token": [f"Authorization: Bearer {_T(_DICE, 40)}"],
    "url_password": ["postgresql://app:hT7xq9zW@db.internal:5432/main",
                     "mongodb+srv://svc:Gq-81xPd@cluster0.mongodb.net"],
    "password": ["password: hT7x!9qzW", "DB_PASSWORD='hT7x-9qzW!'", f'api_key = "{_T(_DICE, 32)}"',
                 f"aws_secret_access_key={_T(_DICE, 40)}", f"AccountKey={_T(_DICE, 86)}=="],
}
PERSONAL = {
    "payment_card": [values.card(_DICE, "4", 16), "5391 " + values.card(_DICE, "5391", 16)[4:8] + " 9"][:1],
    "iban": [values.iban(_DICE, "DE", "120300000012345679"), values.iban(_DICE, "NL", "INGB0001234599")],
    "national_id": [
        "536-90-4399", "SSN 536904399", f"CPF {values.cpf(_DICE)}", values.nir(_DICE), values.fiscal_code(_DICE),
        f"DNI: {values.dni(_DICE)}", f"BSN {values.bsn(_DICE)}", f"PESEL {values.pesel(_DICE)}",
        f"my Aadhaar number is {values.aadhaar(_DICE)}", "National Insurance number: JG 10 37 59 A",
        "Steuer-ID 26954371827"],
    "health_id": [f"NHS number {values.nhs(_DICE)}", "MRN: 00482913", "Patient ID: A-884201"],
    "passport": ["passport number: C01X00T47", "Passport No. 533380006"],
    "email": ["joe.bloggs@gmail.com", "anna+shop@sub.firma-mueller.de"],
    "phone": ["+49 30 901820", "(212) 736-5000", "212-736-5000", "call me at 020 7183 8750", "Telefon: 089 2180 0"],
    "ip_address": ["81.2.69.142"],
    "date_of_birth": ["DOB: 03/04/1985", "Date of birth: March 4, 1985", "Geburtsdatum: 04.03.1985"],
    "address": ["742 Evergreen Terrace", "Lindenstraße 12", "12 rue de la République", "Via Garibaldi 24"],
}


def _grouped(card: str) -> str:
    return " ".join(card[at:at + 4] for at in range(0, len(card), 4))


class TestRedact:
    @pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind,
                                                 all_ in (SECRETS | PERSONAL).items() for value in all_])
    @pytest.mark.parametrize("frame", ["{}", "Well, {} it is.", "a: {}\nb", '{{"x": "{}"}}', "({})", "«{}»"])
    def test_each_kind_is_found_wherever_it_stands(self, kind: str, value: str, frame: str) -> None:
        text, counts = redact(frame.format(value))
        assert counts == {kind: 1}
        assert "[" in text

    @pytest.mark.parametrize("value", [value for all_ in SECRETS.values() for value in all_])
    def test_no_part_of_a_secret_stays(self, value: str) -> None:
        text, _ = redact(f"This one: {value} and no other.")
        bare = value.split("@", maxsplit=1)[0].rpartition(":")[2] if "://" in value else value
        secret = max(re.findall(r"[A-Za-z0-9+/!-]{6,}", bare), key=len)
        assert not any(secret[at:at + 6] in text for at in range(len(secret) - 5))
        assert text.startswith("This one: ")
        assert text.endswith(" and no other.")

    def test_a_private_key_that_is_cut_off_goes_to_its_last_character(self) -> None:
        assert redact(f"Mine:\n{_PEM[:700]}")[0] == "Mine:\n[PRIVATE_KEY]"
        assert redact(f"Mine:\n{_PEM[:700]}\nWhat is wrong with it?")[0] == (
            "Mine:\n[PRIVATE_KEY]\nWhat is wrong with it?")

    def test_cards_of_all_issuers_and_groupings(self) -> None:
        dice = random.Random(3)
        for prefix, length in (("4", 16), ("51", 16), ("2221", 16), ("34", 15), ("6011", 16), ("36", 14), ("3528", 16)):
            for _ in range(20):
                card = values.card(dice, prefix, length)
                if length == 16:
                    assert redact(_grouped(card))[1] == {"payment_card": 1}
                assert redact(f"Visa or another card {card}")[0] == "Visa or another card [CARD]"

    def test_placeholders_are_stable_and_counted(self) -> None:
        text, counts = redact("From joe@web.de to sue@web.de, or +1 212 736 5000.")
        assert text == "From [EMAIL] to [EMAIL], or [PHONE]."
        assert counts == {"email": 2, "phone": 1}

    def test_twice_is_once(self) -> None:
        dice = random.Random(4)
        everything = [value for kinds in (SECRETS, PERSONAL) for all_ in kinds.values() for value in all_]
        for _ in range(300):
            once, _ = redact(dice.choice(["", " ", "\n", ", ", "/"]).join(dice.choices(everything, k=3)))
            again, counts = redact(once)
            assert (again, counts) == (once, {})

    def test_text_around_it_stays_as_it_was(self) -> None:
        dice = random.Random(5)
        before, after = prose(dice, words=300), "Ünïcödé 日本語 🙂 " + prose(dice, words=300)
        assert redact(f"{before} joe@web.de {after}")[0] == f"{before} [EMAIL] {after}"

    @pytest.mark.parametrize("unit", [
        "a@", "SSN ", "sk-", "4111 1111 1111 1112 ", "tel 0123456789 ", "sk-aaaaaaaaaaaaaaaaaaaa ",
        "-----BEGIN PRIVATE KEY-----", "1 Ab St ", "ann@web.de ", "://a:b@"])
    def test_a_text_that_is_nothing_but_triggers_ends(self, unit: str) -> None:
        """Quadratic work on 200,000 characters of them would last for minutes, and would be seen without a clock."""
        text, _ = redact(unit * (200_000 // len(unit)))
        assert redact(text) == (text, {})

    def test_thousands_of_values_in_one_text_all_go(self) -> None:
        text, counts = redact("ann@web.de, 4539578763621487 " * 3000)
        assert counts["email"] == 3000
        assert "@" not in text

    def test_a_secret_longer_than_any_window_goes_whole(self) -> None:
        text, _ = redact("key sk-" + values.token(random.Random(6), 5000) + " end")
        assert text == "key [API_KEY] end"

    @pytest.mark.parametrize("text", [
        "support@acme.org", "someone@example.com", "you@example.org", "icon@2x.png", "4111 1111 1111 1111",
        "4242424242424242", "card 378282246310005", "GB82 WEST 1234 5698 7654 32", "SSN 078-05-1120", "(212) 555-0147",
        "+44 20 7946 0123", "192.168.0.1", "10.1.2.3", "127.0.0.1", "version 10.11.12.13", "8.8.8.8",
        "AKIAIOSFODNN7EXAMPLE", "sk-your-api-key-goes-here-please", "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "password = os.environ['PASSWORD']", "password: ********", "api_key=YOUR_API_KEY_HERE_1234",
        "token = get_token()",
        "postgres://postgres:postgres@localhost/db", "https://user:password@host.com", ("-----BEGIN PUBLIC"
                                                                                       " KEY-----\nMIIB"),
        "order number 4539578763621486", "Tracking: 4539578763621486", "pi is 3.14159265358979323846",
        "born in 1985", "due 03/04/2025", "2025-11-26T03:04:05.123456Z", "1234567890", "call 911", "chapter 12.3.4.5",
    ])
    def test_examples_and_other_numbers_stay(self, text: str) -> None:
        assert redact(text) == (text, {})

    def test_what_programs_print_is_nobody_s_data(self) -> None:
        dice = random.Random(7)
        lines = []
        for _ in range(1500):
            digits = dice.randrange(10 ** dice.randrange(6, 19))
            lines += [str(uuid.UUID(bytes=dice.randbytes(16))), dice.randbytes(20).hex(), f"order #{digits}",
                      f"id={digits}",
                      f"x = {digits} + 0x{digits:x}", f"{dice.random():.17f}",
                      f"v{dice.randrange(9)}.{dice.randrange(99)}"]
        found = [counts for counts in (redact(line)[1] for line in lines) if counts]
        assert len(found) <= len(lines) * 0.0002


class TestRandomCards:
    def test_few_random_numbers_without_a_word_about_cards_are_taken_for_one(self) -> None:
        dice = random.Random(8)
        numbers = [str(dice.randrange(10 ** 15, 10 ** 16)) for _ in range(1500)]
        assert sum(bool(redact(number)[1]) for number in numbers) <= 0.03 * len(numbers)
