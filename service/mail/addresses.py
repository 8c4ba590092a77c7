"""Which addresses mail can be sent to: plain ones, in ASCII, that no header or command can be hidden in."""

from email_validator import EmailNotValidError, validate_email

LONGEST = 254


class InvalidAddress(ValueError):
    """The message is a sentence."""


def normal(address: str) -> str:
    """The address as mail servers take it, names of domains in Punycode. Raises InvalidAddress."""
    try:
        found = validate_email(address, check_deliverability=False, allow_smtputf8=False, allow_quoted_local=False,
                               allow_domain_literal=False, allow_display_name=False, strict=True).ascii_email
    except EmailNotValidError as refused:
        raise InvalidAddress(str(refused)) from None
    if found is None or len(found) > LONGEST or not found.isascii() or not found.isprintable() or "=?" in found:
        raise InvalidAddress("It cannot be written as it is in a mail.")
    return found
