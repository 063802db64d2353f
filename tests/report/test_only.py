"""The table of a study keeps the rows of cells that are done, whichever cells a command is asked to make."""

import shutil

from tests.report.made_store import make, study_text
from winsweep import results


def test_cells_that_are_done_stay_in_the_table_of_a_command_for_one_cell(tmp_path):
    made = make(tmp_path, study_text(2, (1,)), num=12)
    first, second, *others = made.judged
    assert others and set(results.with_done(made, [first]).judged) == set(made.judged)
    shutil.rmtree(made.store.published()[made.judged[second].key])
    made.store.__dict__.pop("published", None)
    left = results.with_done(made, [first])
    assert set(left.judged) == {first, *others}
    assert set(results.with_done(made, [second]).judged) == set(made.judged)
