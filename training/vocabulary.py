"""The words of the sample documents: what each class says about itself, and what every page of a loan file says.

Later pages say little that is their own, and every class borrows from its neighbours (a deed names the contract, a
contract names the appraisal), so a single later page is often ambiguous: what the sequence model is for.
"""

from __future__ import annotations

from dataclasses import dataclass


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


@dataclass(frozen=True)
class Kind:
    """One class of documents: its label, its titles, its own terms, and how likely 1, 2, ... 6 pages are."""

    label: str
    titles: tuple[str, ...]
    terms: tuple[str, ...]
    page_weights: tuple[int, int, int, int, int, int]


KINDS: tuple[Kind, ...] = (
    Kind(
        "appraisal",
        ("Uniform Residential Appraisal Report", "Appraisal of Real Property", "Summary Appraisal Report"),
        _words(
            """appraiser comparable neighborhood subject dwelling improvements site zoning depreciation gross living
            bedrooms bath foundation exterior basement reconciliation cost market approach adjustment similar indicated
            effective condition photograph sketch utilities acreage"""
        ),
        (0, 1, 2, 3, 4, 4),
    ),
    Kind(
        "bank-statement",
        ("Statement of Account", "Checking Account Summary", "Monthly Account Statement"),
        _words(
            """deposit withdrawal checking savings balance beginning ending overdraft branch teller transfer debit
            available ledger daily posted transaction fees electronic atm card routing average cleared item customer
            service"""
        ),
        (1, 3, 4, 4, 2, 1),
    ),
    Kind(
        "credit-report",
        ("Merged Credit Report", "Consumer Credit File", "Credit Profile Report"),
        _words(
            """bureau inquiry tradeline revolving delinquent score utilization collection charge creditor past due
            mortgagee public record bankruptcy history reported opened high limit derogatory dispute factor installment
            days open closed"""
        ),
        (0, 2, 4, 4, 3, 2),
    ),
    Kind(
        "deed-of-trust",
        ("Deed of Trust", "Security Instrument", "Deed of Trust and Assignment of Rents"),
        _words(
            """grantor trustee beneficiary covenant hereby conveys power sale lien instrument escrow foreclosure
            acceleration encumbrance recorded county notary witness successor assigns default hazard leasehold occupancy
            reinstate invocation waiver"""
        ),
        (0, 0, 1, 3, 5, 6),
    ),
    Kind(
        "loan-application",
        ("Uniform Residential Loan Application", "Application for Mortgage Credit", "Borrower Loan Application"),
        _words(
            """borrower applicant dependents marital employment position assets liabilities declarations occupancy
            refinance purpose ethnicity monthly housing expense net worth acknowledgment interviewer citizen alimony
            judgments stocks vested automobiles"""
        ),
        (0, 1, 3, 5, 4, 2),
    ),
    Kind(
        "pay-stub",
        ("Earnings Statement", "Payroll Advice", "Statement of Earnings and Deductions"),
        _words(
            """gross earnings hourly overtime withholding medicare deductions employer vacation sick accrued payroll
            direct advice voucher exempt allowances garnishment dental vision retirement contribution salary bonus
            period employee regular"""
        ),
        (6, 4, 1, 0, 0, 0),
    ),
    Kind(
        "purchase-contract",
        ("Residential Purchase Agreement", "Contract of Sale", "Offer to Purchase Real Estate"),
        _words(
            """buyer seller earnest contingency closing possession inspection broker commission counteroffer warranty
            fixtures addendum disclosure premises prorated title survey walkthrough repairs expiration acceptance lead
            paint remedy personal"""
        ),
        (0, 1, 2, 4, 4, 3),
    ),
    Kind(
        "tax-return",
        ("U.S. Individual Income Tax Return", "Form 1040 Income Tax Return", "Amended Individual Tax Return"),
        _words(
            """adjusted taxable exemption schedule dependent filing jointly refund withheld credits itemized wages
            dividends spouse attach enclosed irs preparer carryover depreciation passive royalties partnership
            instructions line worksheet estimated"""
        ),
        (0, 3, 4, 3, 2, 2),
    ),
)

CLASSES: tuple[str, ...] = tuple(kind.label for kind in KINDS)

COMMON: tuple[str, ...] = _words(
    """the of and to in a for is or any by this date amount number name address city state zip loan property payment
    interest rate month year total mortgage lender account social security telephone page signature signed agreement
    information section shall such under been made other may not that with from as at be on it its all will are
    applicable law notice time term terms party parties person provided pursuant herein thereof each per which if
    described above below following copy original form file reference code type value current prior paid due income
    insurance taxes principal note legal description street unit apartment county estate office phone fax email initials
    box check one yes no see attached continued next reverse side please print only use official required within
    days business than more less between before after upon until during without including limited except"""
)
