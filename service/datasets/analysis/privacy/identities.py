"""Numbers that identify a person or an account, told from other numbers by their check digits and by what is said."""

import re
from importlib import import_module
from typing import Any

from stdnum import iban, luhn

from service.datasets.analysis.privacy.detectors import Detector

_TEST_CARDS = frozenset((
    "4111111111111111", "4242424242424242", "4012888888881881", "4222222222222", "4000056655665556",
    "4000000000000002", "4000000000009995", "4007000000027", "4005519200000004", "4009348888881881",
    "5555555555554444", "5105105105105100", "5454545454545454", "5200828282828210", "2223003122003222",
    "2223000048400011", "378282246310005", "371449635398431", "378734493671000", "6011111111111117",
    "6011000990139424", "6011000400000000", "30569309025904", "38520000023237", "3056930009020004",
    "36227206271667", "3530111333300000", "3566002020360505", "6304000000000000", "5610591081018250"))
_EXAMPLE_IBANS = frozenset((
    "DE89370400440532013000", "GB82WEST12345698765432", "GB29NWBK60161331926819", "GB33BUKB20201555555555",
    "FR1420041010050500013M02606", "FR7630006000011234567890189", "ES9121000418450200051332", "NL91ABNA0417164300",
    "IT60X0542811101000000123456", "BE68539007547034", "CH9300762011623852957", "AT611904300234573201"))
_EXAMPLE_IDS = frozenset((
    "078051120", "219099999", "123456789", "111223333", "12345678Z", "X1234567L", "86095742719", "12345678909",
    "111222333", "52998224725", "RSSMRA85T10A562S", "RSSMRA80A01H501U", "44051401359", "QQ123456C", "AB123456C",
    "9434765919"))
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}|(?:50|5[6-9]|6[0-9])\d{14,17}")
_CARD_WORDS = re.compile(rb"(?i)card|visa|master|amex|american express|credit|debit|\bcc\b|\bpan\b|karte|carte"
                         rb"|tarjeta|payment|cvv")
_OTHER_NUMBERS = re.compile(
    rb"(?i)(?:order|track|invoice|serial|ticket|reference|\bref\b|imei|isbn|\bean\b|barcode|sku|timestamp|uid|hash"
    rb"|seed)"
    rb"[^\d\x00]{0,16}$")
_SOME_NUMBER = re.compile(rb"(?i)(?:number|\bnum|\bnr|\bno|\bid|account|#)\W{0,6}$")


def _is_card(value: bytes, match: re.Match[bytes]) -> bool:
    digits = re.sub(rb"\D", b"", value).decode()
    if not _ISSUERS.fullmatch(digits) or digits in _TEST_CARDS or len(set(digits)) < 4 or not luhn.is_valid(digits):
        return False
    if len(digits) < len(value):
        return True
    before = match.string[max(0, match.start() - 48):match.start()].rpartition(b"\0")[2]
    if _OTHER_NUMBERS.search(before):
        return False
    is_plain = bool(re.match(r"4|5[1-5]|3[47]", digits)) and len(digits) in {15, 16}
    return bool(_CARD_WORDS.search(before)) or (is_plain and not _SOME_NUMBER.search(before))


def _is_iban(value: bytes, _match: re.Match[bytes]) -> bool:
    text = value.decode()
    return iban.compact(text) not in _EXAMPLE_IBANS and iban.is_valid(text)


_IBAN = rb"[A-Z]{2}\d{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)"
_GROUPS = (rb"\d{4}(?P<gap>[ -])\d{4}(?P=gap)\d{4}(?P=gap)\d{4}(?:(?P=gap)\d{3})?"
           rb"|\d{4}(?P<gap2>[ -])\d{6}(?P=gap2)\d{4,5}|\d{13,19}")


def _valid(module: str) -> Any:
    """The check of one of python-stdnum's modules, loaded when it is first needed."""
    def check(value: bytes, _match: re.Match[bytes]) -> bool:
        text = value.decode()
        compact = re.sub(r"[^A-Za-z0-9]", "", text).upper()
        return compact not in _EXAMPLE_IDS and bool(import_module(f"stdnum.{module}").is_valid(text))
    return check


_ELEVEN = rb"\d{2} ?\d{3} ?\d{3} ?\d{3}|\d{11}"
_NATIONAL: tuple[tuple[str, bytes, bytes, str], ...] = (
    # name, the words that announce it, what it looks like, the check
    ("a US social security number", rb"(?i:\bssn|social security|\bitin)", rb"\d{3}[- ]?\d{2}[- ]?\d{4}", "us.ssn"),
    ("a UK national insurance number", rb"(?i:national insurance|\bnino|\bni number|\bni no)",
     rb"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]", ""),
    ("a German tax id", rb"(?i:steuer-?\s?id|identifikationsnummer|\bidnr|\btax id|\btin\b)", _ELEVEN, "de.idnr"),
    ("a Spanish DNI", rb"\bDNI\b|\bNIF\b|(?i:documento|identidad|identificaci)", rb"\d{8}-?[A-Z]", "es.dni"),
    ("a Spanish NIE", rb"\bNIE\b|\bNIF\b|(?i:extranjero|identificaci)", rb"[XYZ]-?\d{7}-?[A-Z]", "es.nie"),
    ("a Dutch BSN", rb"\bBSN\b|(?i:burgerservice|sofi-?nummer)", rb"\d{4}[. ]?\d{2}[. ]?\d{3}", "nl.bsn"),
    ("a Polish PESEL", rb"(?i:pesel)", rb"\d{11}", "pl.pesel"),
    ("an Indian Aadhaar number", rb"(?i:aadha+r|uidai)", rb"\d{4}[ -]?\d{4}[ -]?\d{4}", "in_.aadhaar"),
    ("an Indian PAN", rb"\bPAN\b|(?i:permanent account number)", rb"[A-Z]{5}\d{4}[A-Z]", "in_.pan"),
    ("a Brazilian CPF", rb"\bCPF\b|\bcpf\b", rb"\d{3}\.?\d{3}\.?\d{3}-?\d{2}", "br.cpf"),
    ("a Swedish personal number", rb"(?i:personnummer)", rb"(?:\d{2})?\d{6}[-+]?\d{4}", "se.personnummer"),
    ("a Norwegian birth number", rb"(?i:f.{1,2}dselsnummer)", rb"\d{6} ?\d{5}", "no.fodselsnummer"),
    ("a Danish CPR number", rb"\bCPR\b|(?i:cpr-?n)", rb"\d{6}-?\d{4}", "dk.cpr"),
    ("a Finnish HETU", rb"(?i:henkil.{1,2}tunnus|\bhetu\b)", rb"\d{6}[-+A-Y]\d{3}[0-9A-Z]", "fi.hetu"),
    ("a Belgian national number", rb"(?i:rijksregister|registre national|national number)",
     rb"\d{2}\.?\d{2}\.?\d{2}-?\d{3}\.?\d{2}", "be.nn"),
    ("a Swiss AHV number", rb"\bAHV|\bAVS\b|(?i:sozialversicherung)", rb"756\.?\d{4}\.?\d{4}\.?\d{2}", "ch.ssn"),
    ("an Austrian insurance number", rb"(?i:sozialversicherungsnummer|\bSVNR|\bSV-N)", rb"\d{4} ?\d{6}", "at.vnr"),
    ("a Portuguese tax number", rb"\bNIF\b|(?i:contribuinte)", rb"\d{3} ?\d{3} ?\d{3}", "pt.nif"),
    ("a Canadian social insurance number", rb"\bSIN\b|(?i:social insurance)", rb"\d{3}[- ]?\d{3}[- ]?\d{3}", "ca.sin"),
    ("an Australian tax file number", rb"\bTFN\b|(?i:tax file)", rb"\d{3} ?\d{3} ?\d{3}", "au.tfn"),
    ("an Irish PPS number", rb"\bPPSN?\b", rb"\d{7}[A-W][A-IW]?", "ie.pps"),
    ("a Romanian CNP", rb"\bCNP\b", rb"\d{13}", "ro.cnp"),
    ("a Turkish identity number", rb"(?i:t\.?c\.? kimlik|kimlik no)", rb"\d{11}", "tr.tckimlik"),
    ("a Chinese identity number", rb"(?i:resident id|\bid card)|\xe8\xba\xab\xe4\xbb\xbd\xe8\xaf\x81",
     rb"\d{17}[0-9X]", "cn.ric"),
    ("a Korean registration number", rb"(?i:resident registration)|\xec\xa3\xbc\xeb\xaf\xbc",
     rb"\d{6}-?\d{7}", "kr.rrn"),
    ("a South African id number", rb"(?i:\bsa id|\bid number|identity number)", rb"\d{13}", "za.idnr"),
    ("a Mexican CURP", rb"\bCURP\b", rb"[A-Z]{4}\d{6}[A-Z]{6}[0-9A-Z]\d", "mx.curp"),
    ("a Chilean RUT", rb"\bRUT\b|\bRUN\b", rb"\d{1,2}\.?\d{3}\.?\d{3}-[\dkK]", "cl.rut"),
    ("an Argentine CUIT", rb"\bCUI[TL]\b", rb"\d{2}-?\d{8}-?\d", "ar.cuit"),
)
_GAP = rb"[^\x00\n]{0,40}?(?<![A-Za-z0-9.])"


def _announced(words: bytes, looks: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(?:" + words + rb")" + _GAP + rb"(?P<value>" + looks + rb")(?![A-Za-z0-9]|[.,-]\d)")


def _national(name: str, words: bytes, looks: bytes, module: str) -> Detector:
    check = _valid(module) if module else lambda value, _: value.replace(b" ", b"").decode() not in _EXAMPLE_IDS
    return Detector("national_id", name, "personal", "[NATIONAL_ID]", (words,), _announced(words, looks), check,
                    reach=64, ahead=96, shown=2)


def _formatted(name: str, trigger: bytes, looks: bytes, module: str, *, kind: str = "national_id") -> Detector:
    """One whose form is so much its own that nothing has to announce it."""
    return Detector(kind, name, "personal", "[NATIONAL_ID]", (trigger,),
                    re.compile(rb"(?<![\w.-])(?P<value>" + looks + rb")(?![\w-]|\.\d)"), _valid(module),
                    reach=40, ahead=24, shown=2)


def _has_digit(value: bytes, _match: re.Match[bytes]) -> bool:
    return sum(48 <= char < 58 for char in value) >= 4 and len(set(value)) > 3 and b"12345" not in value


IDENTITIES: tuple[Detector, ...] = (
    Detector("payment_card", "a payment card number", "personal", "[CARD]",
             (rb"\b\d{13,19}\b", rb"\b\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}\b", rb"\b\d{4}[ -]\d{6}[ -]\d{4,5}\b"),
             re.compile(rb"(?<![\w.+/=-])(?:" + _GROUPS + rb")(?![\w/=-]|[.,]\d)"), _is_card, reach=40, ahead=8),
    Detector("iban", "an IBAN", "personal", "[IBAN]", (rb"\b[A-Z]{2}\d{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}",),
             re.compile(rb"(?<![\w-])" + _IBAN + rb"(?![\w-])"), _is_iban, reach=24, ahead=40),
    *(_national(*row) for row in _NATIONAL),
    _formatted("a US social security number", rb"\b\d{3}-\d{2}-\d{4}\b", rb"\d{3}-\d{2}-\d{4}", "us.ssn"),
    _formatted("a Brazilian CPF", rb"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b", rb"\d{3}\.\d{3}\.\d{3}-\d{2}", "br.cpf"),
    _formatted("a Swiss AHV number", rb"\b756\.\d{4}\.\d{4}\.\d{2}\b", rb"756\.\d{4}\.\d{4}\.\d{2}", "ch.ssn"),
    _formatted("a French social security number", rb"\b[12] ?\d{2} ?[0-9]{2} ?[0-9][0-9AB] ?\d{3} ?\d{3}",
               rb"[12] \d{2} \d{2} \d[\dAB] \d{3} \d{3} \d{2}|[12]\d{2}(?:0[1-9]|1[0-2])\d[\dAB]\d{8}", "fr.nir"),
    _formatted("an Italian codice fiscale", rb"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b",
               rb"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", "it.codicefiscale"),
    Detector("health_id", "an NHS number", "personal", "[HEALTH_ID]", (rb"\bNHS\b",),
             _announced(rb"\bNHS\b", rb"\d{3}[ -]?\d{3}[ -]?\d{4}"), _valid("gb.nhs"), reach=64, ahead=96, shown=2),
    Detector("health_id", "a patient's record number", "personal", "[HEALTH_ID]",
             (rb"\bMRN\b|(?i:medical record|patient (?:id|no|number)|health (?:card|insurance) (?:no|number|id))",),
             re.compile(rb"(?:\bMRN\b|(?i:medical record (?:no|number|id)|patient (?:id|no|number)|health (?:card"
                        rb"|insurance) "
                        rb"(?:no|number|id)))[ .:#=]{1,4}(?:is )?(?P<value>[A-Z0-9][A-Z0-9-]{4,14})(?![A-Za-z0-9-])"),
             _has_digit, reach=64, ahead=64, shown=2),
    Detector("passport", "a passport number", "personal", "[NATIONAL_ID]", ((rb"(?i:passport|reisepass|passeport"
                                                                            rb"|pasaporte)"),),
             re.compile(rb"(?i:passport|reisepass|passeport|pasaporte)[ a-zA-Z.]{0,12}["
                        rb" .:#=]{1,4}(?P<value>[A-Z]{0,2}\d{6,9}"
                        rb"|[CFGHJK][0-9CFGHJKLMNPRTVWXYZ]{8})(?![A-Za-z0-9-])"),
             _has_digit, reach=64, ahead=64, shown=2),
)
