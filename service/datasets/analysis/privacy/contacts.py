"""How a person is reached and where one lives: e-mail, phone, address, date of birth, IP address."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache

import phonenumbers

from service.datasets.analysis.privacy.detectors import Detector

_RESERVED = re.compile(
    rb"(?i)(?:^|[@.])(?:example|test|invalid|localhost|local)(?:\.(?:com|org|net|edu|co\.uk|de))?$"
    rb"|@(?:domain|email|mail|company|yourdomain|yourcompany|mysite|website|acme|abc|xyz|foo|bar)\.(?:com|org|net)$")
_NOBODY = re.compile(
    rb"(?i)^(?:info|support|contact|hello|help|sales|admin|no-?reply|do-?not-?reply|office|press|jobs|careers"
    rb"|service|privacy"
    rb"|webmaster|postmaster|abuse|security|billing|marketing|media|feedback|user(?:name)?|name|your\.?(?:name"
    rb"|email)|git|someone"
    rb"|e?-?mail|customer-?service|enquiries|me|test)@")
_LOGIN = re.compile(rb"://[^\s/@\x00]{0,64}:$")  # what follows is a password and a host
_FILES = re.compile(rb"(?i)\.(?:png|jpe?g|gif|svg|webp|js|css|ts|py|html)$")


def _is_somebody(value: bytes, match: re.Match[bytes]) -> bool:
    if _LOGIN.search(match.string[max(0, match.start() - 96):match.start()]):
        return False
    return not (_RESERVED.search(value) or _NOBODY.match(value) or _FILES.search(value))


_REGIONS = ("GB", "DE", "FR", "ES", "IT", "NL", "IN", "BR", "AU", "JP")


def _numbers(text: str, regions: Sequence[str | None]) -> Iterator[phonenumbers.PhoneNumber]:
    for region in regions:
        with suppress(phonenumbers.NumberParseException):
            yield phonenumbers.parse(text, region)


def _is_fiction(number: phonenumbers.PhoneNumber) -> bool:
    """Numbers that are set aside for films and manuals: 555-0100 in America, and Britain's lists of them."""
    national = str(number.national_number)
    if number.country_code == 1:
        return national[3:6] == "555"
    return number.country_code == 44 and re.match(r"7700900|2079460|1(?:13|14|15|16|17|18|21|31|41|51|61)4960"
                                                  r"|8081570", national) is not None


@lru_cache(maxsize=4096)
def _is_phone(text: str, regions: Sequence[str | None]) -> bool:
    digits = re.sub(r"\D", "", text)
    if len(set(digits)) < 4 or "1234567" in digits:
        return False
    return any(phonenumbers.is_valid_number(number) and not _is_fiction(number) for number in _numbers(text, regions))


def _is_formed_phone(value: bytes, _match: re.Match[bytes]) -> bool:
    return _is_phone(value.decode(), ("US",))


def _is_announced_phone(value: bytes, _match: re.Match[bytes]) -> bool:
    return _is_phone(value.decode(), ("US", *_REGIONS))


_KNOWN_ADDRESSES = frozenset((b"8.8.8.8", b"8.8.4.4", b"208.67.222.222", b"208.67.220.220", b"123.45.67.89"))


def _is_public(value: bytes, match: re.Match[bytes]) -> bool:
    before = match.string[max(0, match.start() - 16):match.start()]
    if re.search(rb"(?i)(?:version|ver\.?|v|release|build|section|chapter)[ :=]*$", before):
        return False
    try:
        address = ipaddress.ip_address(value.decode())
    except ValueError:
        return False
    is_version = address.version == 4 and all(byte < 30 for byte in address.packed)
    return address.is_global and not address.is_multicast and not is_version and value not in _KNOWN_ADDRESSES


_SAID = (rb"(?i:\b(?:phone|telephone|tel|mobile|cell|fax|whatsapp|telefon|handy|mobil|t\xc3\xa9l\xc3\xa9phone"
         rb"|t\xc3\xa9l|portable"
         rb"|tel\xc3\xa9fono|m\xc3\xb3vil|telefono|cellulare|telefoon)\b|\b(?:call|text|reach) (?:me|us|him|her"
         rb"|them) (?:at|on)\b)")
_BETWEEN = rb"[^\x00\n\d+(]{0,24}"
_BIRTH = (rb"(?i:\b(?:date of birth|birth ?date|d\.?o\.?b\.?|geburtsdatum|geboren am|date de naissance|n\xc3\xa9e?"
          rb" le|fecha de nacimiento"
          rb"|data di nascita|geboortedatum|data de nascimento|data urodzenia))")
_MONTH = rb"(?:\d{1,2}|[A-Za-z\x80-\xff]{3,10}\.?)"
_DATE = (rb"(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}(?:st|nd|rd|th|\.)?[-./ ](?:of )?" + _MONTH
         + rb"[-./ ,]{1,2}\d{2,4}|[A-Z][a-z]{2,8}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4})")
_WORDS = rb"(?:[A-Z][\w'\x80-\xff-]{1,20} ){1,3}"
_STREET = (rb"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Terrace|Place|Pl|Way|Close"
           rb"|Crescent|Parkway|Pkwy|Highway|Hwy)")
_ADDRESSES = (
    rb"\d{1,5}[A-Za-z]? " + _WORDS + _STREET + rb"\b\.?(?:,? (?:Apt|Suite|Unit|Flat|#)\.? ?[\w-]{1,6})?",
    (rb"[A-Z\xc3][\w\x80-\xff-]{2,24}(?:stra\xc3\x9fe|strasse|str\.|weg|platz|allee|gasse|straat|laan) \d{1,4}"
    rb" ?[a-z]?\b"),
    (rb"\d{1,4}(?: bis| ter)?,? (?:rue|avenue|boulevard|place|chemin|impasse|quai) (?:de |du |des |de la |de l'"
    rb"|d')?[A-Z\xc3][\w'\x80-\xff -]{2,30}"),
    (rb"(?:Calle|Avenida|Avda\.|Plaza|Via|Viale|Piazza|Corso|Rua|Pra\xc3\xa7a) (?:[A-Za-z\xc3][\w'\x80-\xff.]{0,20}"
    rb" ){1,4}?(?:n\xc2\xba ?)?\d{1,4}\b"),
)
_ADDRESS_TRIGGERS = (
    rb"\b\d{1,5}[A-Za-z]? [A-Z][^\x00\n,.;:]{1,60} " + _STREET + rb"\b",
    rb"(?:stra\xc3\x9fe|strasse|str\.|weg|platz|allee|gasse|straat|laan) \d{1,4}\b",
    rb"\b\d{1,4}(?: bis| ter)?,? (?:rue|avenue|boulevard|place|chemin|impasse|quai) d?",
    (rb"\b(?:Calle|Avenida|Avda\.|Plaza|Via|Viale|Piazza|Corso|Rua|Pra\xc3\xa7a) [A-Za-z\xc3][^\x00\n,;:]{1,60}"
    rb" \d{1,4}\b"),
)


def _is_place(value: bytes, _match: re.Match[bytes]) -> bool:
    return re.match(rb"123 |(?:12|1[0-9]|20)\d\d (?:Main|[A-Z]\w+ (?:Way|Place|Drive|Court)$)", value) is None


CONTACTS: tuple[Detector, ...] = (
    Detector("email", "an e-mail address", "contact", "[EMAIL]", (rb"[\w.+%'\x80-\xff-]@[\w\x80-\xff]",),
             re.compile(rb"(?<![\w.+%\x80-\xff-])[\w.+%'\x80-\xff-]{1,64}@(?:[\w\x80-\xff-]{1,63}\.){1,8}"
                        rb"[A-Za-z]{2,24}(?![\w-])"),
             _is_somebody, reach=160, ahead=200, shown=2),
    Detector("phone", "a phone number", "contact", "[PHONE]",
             (rb"\+\d(?:[ ().-]{0,2}\d){7}", rb"\(\d{3}\) ?\d{3}[ .-]\d{4}\b", rb"\b\d{3}[.-]\d{3}[.-]\d{4}\b"),
             re.compile(rb"(?<![\w.,/=-])(?P<value>\+\d(?:[ ().-]{0,2}\d){7,14}|\(\d{3}\) ?\d{3}[ .-]\d{4}"
                        rb"|(?:1[ .-])?\d{3}(?P<gap>[.-])\d{3}(?P=gap)\d{4})(?![\w/=-]|[.,]\d)"),
             _is_formed_phone, reach=32, ahead=32, shown=2, cost=2),
    Detector("phone", "a phone number", "contact", "[PHONE]", (_SAID + _BETWEEN + rb"[\d(]",),
             re.compile(_SAID + _BETWEEN + rb"(?P<value>\(?0?\d(?:[ ()./-]{0,2}\d){7,12})(?![\w/=-]|[.,]\d)"),
             _is_announced_phone, reach=48, ahead=32, shown=2, cost=10),
    Detector("ip_address", "an IP address", "contact", "[IP]",
             (rb"\d\.\d{1,3}\.\d{1,3}\.\d", rb"(?::[0-9A-Fa-f]{1,4}){6}:[0-9A-Fa-f]"),
             re.compile(rb"(?<![\w.])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7})(?![\w]"
                        rb"|\.\d)"),
             _is_public, reach=48, ahead=16, shown=0),
    Detector("date_of_birth", "a date of birth", "contact", "[DATE_OF_BIRTH]",
             (_BIRTH + rb"[^\x00\n\w]{0,6}(?:is )?[A-Z0-9]",),
             re.compile(_BIRTH + rb"[^\x00\n\w]{0,6}(?:is )?(?P<value>" + _DATE + rb")(?!\w)"),
             reach=48, ahead=32, shown=0),
    Detector("address", "a postal address", "contact", "[ADDRESS]", _ADDRESS_TRIGGERS,
             re.compile(rb"(?<![\w.$])(?:" + rb"|".join(_ADDRESSES) + rb")"), _is_place, reach=96, ahead=64, shown=0),
)
