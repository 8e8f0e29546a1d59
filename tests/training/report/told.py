"""One report of invented loans, made once for all tests of the room."""

from instant_credit.training.report.basis import make_basis
from instant_credit.training.report.contents import make_report
from instant_credit.training.report.page import render_page
from tests.training.test_workshop import TRAINING

BASIS = make_basis(TRAINING)
REPORT = make_report(BASIS)
PAGE = render_page(REPORT, BASIS)
