"""The collector is as it was before, whatever happens meanwhile."""

import gc

import pytest

from superficial.artifacts.collector import collector_paused


def test_the_collector_rests_inside_and_works_again_after_an_error():
    assert gc.isenabled()
    with pytest.raises(ValueError, match="inside"), collector_paused():
        assert not gc.isenabled()
        raise ValueError("inside")
    assert gc.isenabled()


def test_who_had_it_off_keeps_it_off():
    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
