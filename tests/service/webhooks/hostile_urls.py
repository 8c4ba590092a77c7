"""URLs by which webhooks were led into houses, here and elsewhere: every spelling of what is not public.

Each entry is a URL, or a name with what a resolver says of it. Paths and queries are there so that a wall which reads
them for the host would show.
"""

# ruff: noqa: RUF001 - look-alikes are what it is about

import ipaddress
from collections.abc import Iterator

PRIVATE_V4 = ("127.0.0.1", "10.0.0.8", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
              "198.18.0.1", "192.0.0.192", "224.0.0.1", "255.255.255.255")
PRIVATE_V6 = ("::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1", "2001:db8::1",
              "3fff::1", "5f00::1", "4000::1")
_CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
_FULL_WIDTH = str.maketrans("0123456789.", "０１２３４５６７８９．")
_BOLD = {ord(digit): chr(0x1D7CE + int(digit)) for digit in "0123456789"}


def spellings(address: str) -> Iterator[str]:
    """The ways to write an IPv4 address that some reader of URLs takes for it."""
    a, b, c, d = map(int, address.split("."))
    number = int(ipaddress.IPv4Address(address))
    yield address
    yield f"{address}."
    yield str(number)
    yield hex(number)
    yield f"0{number:o}"
    yield f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield f"{a:#x}.{b:#x}.{c:#x}.{d:#x}"
    yield f"{a}.{b}.{c * 256 + d}"
    yield f"{a}.{(b << 16) + (c << 8) + d}"
    yield f"0x{a:02x}.{b}.0{c:o}.{d}"
    yield f"0000{a:o}.{b}.{c}.{d}"
    yield address.translate(_CIRCLED)
    yield address.translate(_FULL_WIDTH)
    yield address.translate(_BOLD)
    yield address.replace(".", "。")
    yield address.replace(".", "%2e")
    yield "".join(f"%{ord(char):02x}" for char in address)


def embeddings(address: str) -> Iterator[str]:
    """The IPv6 addresses that carry an IPv4 address, or are turned into it on the way."""
    number = int(ipaddress.IPv4Address(address))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    flipped = number ^ 0xFFFFFFFF
    yield f"::ffff:{address}"
    yield f"::ffff:{high}:{low}"
    yield f"0:0:0:0:0:ffff:{high}:{low}"
    yield f"::{address}"
    yield f"::ffff:0:{address}"
    yield f"64:ff9b::{address}"
    yield f"64:ff9b:1::{address}"
    yield f"2002:{high}:{low}::1"
    yield f"2001:0:{high}:{low}::1"
    yield f"2001:0:102:304:0:0:{flipped >> 16:x}:{flipped & 0xFFFF:x}"
    yield f"2600:1f18::5efe:{high}:{low}"
    yield f"2600:1f18::200:5efe:{high}:{low}"
    yield f"fe80::5efe:{high}:{low}"


URLS: tuple[str, ...] = (
    *(f"https://{host}/latest/meta-data/" for address in PRIVATE_V4 for host in spellings(address)),
    *(f"https://[{host}]/hook" for address in ("127.0.0.1", "169.254.169.254", "10.0.0.8")
      for host in embeddings(address)),
    *(f"https://[{address}]/?x=https://example.com" for address in PRIVATE_V6),
    *(f"https://[{address}%25{zone}]/" for address in ("fe80::1", "::1", "2606:4700::1") for zone in ("eth0", "1")),
    "https://[::1%eth0]/", "https://[::ffff:7f00:1%25lo]/", "https://[v1.127]/", "https://[127.0.0.1]/",
    "https://[::1]x/", "https://[::1", "https://::1/", "https://[]/", "https://[:::1]/", "https://0/", "https://1/",
    "https://127.1/", "https://127.0.1/", "https://0x7f.1/", "https://0177.1/", "https://00000177.0.0.1/",
    "https://4294967295/", "https://4294967296/", "https://127.0.0.1.nip.io%00.example.com/",
    # local names in every dress
    "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://localhost../", "https://a.localhost/",
    "https://ｌｏｃａｌｈｏｓｔ/", "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "https://loc%61lhost/", "https://localhost.localdomain/",
    "https://metadata.google.internal/computeMetadata/v1/", "https://db.internal/", "https://printer.local/",
    "https://router.home.arpa/", "https://kubernetes.default.svc.cluster.local/", "https://locaℓhost/",
    # who is the host?
    "https://user@127.0.0.1/", "https://hooks.example.com@127.0.0.1/", "https://127.0.0.1@hooks.example.com/",
    "https://hooks.example.com:443@127.0.0.1/", "https://hooks.example.com:@127.0.0.1:443/", "https://@127.0.0.1/",
    "https://:@127.0.0.1/", "https://hooks.example.com\\@127.0.0.1/", "https://127.0.0.1\\@hooks.example.com/",
    "https://hooks.example.com%40127.0.0.1/", "https://127.0.0.1#@hooks.example.com/", "https://127.0.0.1?@public.test/",
    "https://hooks.example.com#@127.0.0.1/", "https://127.0.0.1;@public.test/", "https://127.0.0.1%2f@public.test/",
    "https://public.test\t@127.0.0.1/", "https://public.test\r\n@127.0.0.1/", "https://127.0.0.1\x00.public.test/",
    "https://127.0.0.1 .public.test/", "https:\\\\127.0.0.1/", "https:/127.0.0.1/", "https:127.0.0.1/", "https:///127.0.0.1/",
    "https:////127.0.0.1/", "//127.0.0.1/", "127.0.0.1", "", "https://", "https://./", "https://../", "https://?/",
    "\thttps://127.0.0.1/", " https://127.0.0.1/", "https://\u00ad127.0.0.1/", "https://127.0.0.1\u200b/",
    "https://\u202e127.0.0.1/", "https://public.test\u2044@127.0.0.1/", "https://public.test\uff20127.0.0.1/",
    "https://public.test\uff0f@127.0.0.1/", "https://xn--/", "https://xn--a/", "https://faß.test/",
    "https://" + "a" * 64 + ".test/", "https://" + "a." * 130 + "test/", "https://-/", "https://a..test/",
    # ports and schemes
    "https://public.test:22/", "https://public.test:0/", "https://public.test:80/", "https://public.test:65536/",
    "https://public.test:-1/", "https://public.test:6379/", "https://public.test:０４４３/", "https://public.test:443x/",
    "https://public.test:11211/", "http://public.test/", "HTTP://public.test/", "ftp://public.test/", "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL", "dict://127.0.0.1:11211/stat", "ws://public.test/", "wss://127.0.0.1/",
    "data:text/plain,x", "javascript:alert(1)", "unix:///var/run/docker.sock", "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "jar:https://127.0.0.1!/", "ldap://127.0.0.1/", "tftp://127.0.0.1/", "https+insecure://127.0.0.1/",
)
"""None of these may lead to a connection, and none asks a resolver that answers."""

ANSWERS: dict[str, tuple[str, ...]] = {
    **{f"v4-{number}.test": (address,) for number, address in enumerate(PRIVATE_V4)},
    **{f"v6-{number}.test": (address,) for number, address in enumerate(PRIVATE_V6)},
    **{f"embedded-{number}.test": (address,) for number, address in enumerate(
        each for inner in ("127.0.0.1", "169.254.169.254") for each in embeddings(inner))},
    "one-of-two.test": ("93.184.216.34", "127.0.0.1"),
    "one-of-two-the-other-way.test": ("127.0.0.1", "93.184.216.34"),
    "public-v4-private-v6.test": ("93.184.216.34", "::1"),
    "mapped-among-public.test": ("2606:4700:4700::1111", "::ffff:10.0.0.1"),
    "last-of-many.test": (*(f"93.184.216.{last}" for last in range(1, 40)), "10.0.0.1"),
    "zone.test": ("fe80::1%1",),
    "nip-127.0.0.1.test": ("127.0.0.1",),
    "localhost": ("127.0.0.1",),
    "metadata.google.internal": ("169.254.169.254",),
}
"""Names whose addresses are not, or not all, public."""

PUBLIC: dict[str, tuple[str, ...]] = {
    "public.test": ("93.184.216.34",),
    "public-v6.test": ("2606:4700:4700::1111",),
    "public-mapped.test": ("::ffff:93.184.216.34",),
}
