"""Whatever is asked of files, models and settings, nothing breaks, and nothing outside is touched."""

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PARTS = st.text(max_size=12) | st.sampled_from(
    ["..", ".", "/", "\\", "//x", "C:", "\\\\?\\C:", "con", "a\0b", "x" * 300, " ", "%2e%2e", "[output]", "é"]
)
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
PLACES = (
    "/view?filename={}",
    "/view?filename={}&preview=webp",
    "/view?filename=x.png&subfolder={}",
    "/view?filename=x.png&type={}",
    "/view_metadata/loras?filename={}",
    "/view_metadata/{}",
    "/models/{}",
    "/experiment/models/{}",
    "/experiment/models/preview/loras/0/{}",
    "/settings/{}",
    "/userdata/{}",
    "/userdata?dir={}&recurse=true",
    "/v2/userdata?path={}",
    "/object_info/{}",
    "/templates/{}",
    "/workflow_templates/{}/x.json",
    "/internal/files/{}",
    "/extensions/{}",
)


@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=NAMES)
def test_no_name_is_answered_with_a_bug_or_a_file_outside(site, place, name):
    answer = site.http.get(place.format(quote(name.encode(errors="replace"), safe="")))
    assert answer.status_code < 500, answer.text
    assert site.daemon.token not in answer.text
