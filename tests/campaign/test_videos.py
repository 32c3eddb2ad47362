"""Which pasted addresses are videos that may be framed, and what becomes of them."""

import pytest

from campaign.videos import FRAME_HOSTS, NotAVideo, video

TUBE = "https://www.youtube-nocookie.com/embed/aqz-KE-bpKQ?autoplay=1&rel=0"


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        ("https://www.youtube.com/watch?v=aqz-KE-bpKQ", TUBE),
        ("https://m.youtube.com/watch?v=aqz-KE-bpKQ&t=42s", TUBE),
        ("https://youtu.be/aqz-KE-bpKQ?si=abc", TUBE),
        ("https://www.youtube.com/shorts/aqz-KE-bpKQ", TUBE),
        (" https://www.youtube.com/embed/aqz-KE-bpKQ ", TUBE),
        ("https://vimeo.com/76979871", "https://player.vimeo.com/video/76979871?autoplay=1&dnt=1"),
        ("https://player.vimeo.com/video/76979871?h=1", "https://player.vimeo.com/video/76979871?autoplay=1&dnt=1"),
    ],
)
def test_it_reads_the_ways_in_which_hosts_write_a_video(link, frame):
    found = video(link)
    assert found.frame == frame
    assert any(found.frame.startswith(f"{host}/") for host in FRAME_HOSTS)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "https://example.org/watch?v=aqz-KE-bpKQ",
        "https://youtube.com.evil.example/watch?v=aqz-KE-bpKQ",
        'https://www.youtube.com/watch?v="><script>',
        "https://www.youtube.com/@hospital",
        "https://vimeo.com/hospital",
        "https://[",
    ],
)
def test_it_refuses_everything_else_with_a_sentence(link):
    with pytest.raises(NotAVideo, match="Paste the address of one video"):
        video(link)
