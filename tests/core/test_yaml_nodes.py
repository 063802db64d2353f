"""YAML files as nodes: every error of a file is said, with the place of each."""

import re

import pytest

from winsweep.errors import BadStudy
from winsweep.yaml_nodes import read_yaml


def test_a_key_given_twice_is_said_although_its_first_value_has_an_error_too(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("a: {b: 1, b: 2}\na: 3\n")
    with pytest.raises(BadStudy) as caught:
        read_yaml(path)
    said = [re.match(r".*?:(\d+): (\S+): the key is given twice", e) for e in caught.value.each]
    assert [at and at.groups() for at in said] == [("1", "a.b"), ("2", "a")]
