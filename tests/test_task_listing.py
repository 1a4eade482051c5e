"""The list of a study's tasks, which stands for their folders."""

from simtailor.provenance import digest_of
from simtailor.tasks.listing import read_task_list, write_task_list


def test_the_list_has_the_tasks_in_their_order_and_another_checksum_for_other_images(tmp_path):
    folders = [tmp_path / "tasks" / name for name in ("seen", "again")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "images.npy").write_bytes(b"some")
    listed = tmp_path / "tasks.json"
    write_task_list(folders, listed)
    assert read_task_list(listed) == [str(folder) for folder in folders]
    before = digest_of(listed)
    write_task_list(folders, listed)
    assert digest_of(listed) == before
    (folders[1] / "images.npy").write_bytes(b"other")
    write_task_list(folders, listed)
    assert digest_of(listed) != before
