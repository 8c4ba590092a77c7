"""Synthetic private data, made so that its check digits are right and it belongs to nobody."""

import random
import string

from stdnum import luhn, verhoeff
from stdnum.it import codicefiscale

_WORD = string.ascii_letters + string.digits


def token(dice: random.Random, length: int, alphabet: str = _WORD) -> str:
    """Random characters with a digit, a small and a capital letter among them."""
    return "aZ7" + "".join(dice.choices(alphabet, k=length - 3))


def card(dice: random.Random, prefix: str, length: int) -> str:
    digits = prefix + "".join(dice.choices(string.digits, k=length - len(prefix) - 1))
    return digits + luhn.calc_check_digit(digits)


def iban(dice: random.Random, country: str, bank: str) -> str:
    number = "".join(str(int(char, 36)) for char in f"{bank}{country}00")
    return f"{country}{98 - int(number) % 97:02}{bank}"


def aadhaar(dice: random.Random) -> str:
    digits = dice.choice("23456789") + "".join(dice.choices(string.digits, k=10))
    return digits + verhoeff.calc_check_digit(digits)


def cpf(dice: random.Random) -> str:
    digits = "".join(dice.choices(string.digits, k=9))
    for start in (10, 11):
        rest = sum(int(digit) * weight for digit, weight in zip(digits, range(start, 1, -1),
                                                                strict=False)) * 10 % 11 % 10
        digits += str(rest)
    return f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}"


def nir(dice: random.Random) -> str:
    born = f"{dice.choice('12')}{dice.randrange(40, 99)}{dice.randrange(1, 13):02}"
    digits = f"{born}75{dice.randrange(100, 999)}{dice.randrange(100, 999)}"
    return f"{digits}{97 - int(digits) % 97:02}"


def fiscal_code(dice: random.Random) -> str:
    code = f"BNCLRI{dice.randrange(50, 99)}C{dice.randrange(10, 28)}F205"
    return code + codicefiscale.calc_check_digit(code)


def dni(dice: random.Random) -> str:
    number = dice.randrange(20_000_000, 80_000_000)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def nhs(dice: random.Random) -> str:
    while True:
        digits = "".join(dice.choices(string.digits, k=9))
        check = 11 - sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
        if check != 10:
            return f"{digits[:3]} {digits[3:6]} {digits[6:]}{check % 11}"


def bsn(dice: random.Random) -> str:
    while True:
        digits = "".join(dice.choices("123456789", k=8))
        check = sum(int(digit) * weight for digit, weight in zip(digits, range(9, 1, -1), strict=True)) % 11
        if check != 10:
            return digits + str(check)


def pesel(dice: random.Random) -> str:
    digits = f"{dice.randrange(50, 99)}{dice.randrange(1, 13):02}{dice.randrange(1, 28):02}{dice.randrange(1000, 9999)}"
    check = sum(int(digit) * weight for digit, weight in zip(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True))
    return digits + str((10 - check % 10) % 10)
