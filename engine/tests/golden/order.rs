//! Samples of orders.

use engine::{
    aggregate::KeyReused,
    id::{
        CheckoutId, ClaimId, ClaimRef, ContactId, DropId, FulfillmentId, HoldId, OrderId, OrderLineId, PaymentId,
        ProductId, RefundId, SubjectId,
    },
    order::{
        Change, Details, FulfillmentState, LineRefund, LineSource, LineUnits, Order, OrderCommand, OrderEvent,
        OrderLine, OrderPaymentState, OrderRejection, OrderReply, OrderTotals, OrderView, Status,
    },
    product::OptionValue,
};

use crate::{
    Golden, Messages, Sampled,
    golden::{
        flash_drop::buyer,
        samples::{at, dollars, id, processed, sku, tenant, units},
    },
};

variants! {
    OrderEvent: Placed, Paid, CaptureFailed, RefundAsked, Refunded, RefundFailed, Cancelled, Fulfilled, ReceiptMailed,
    Restocked, Shipped, TrackingChanged, NoticeMailed,
}

fn details() -> Details {
    let claim = ClaimRef { drop: DropId(id(8)), claim: ClaimId(id(9)) };
    Details {
        tenant: tenant(),
        order: OrderId(id(1)),
        number: 1_234,
        buyer: SubjectId(id(2)),
        contact: ContactId(id(3)),
        checkout: CheckoutId(id(4)),
        payment: PaymentId(id(5)),
        lines: vec![
            OrderLine {
                sku: sku("SHIRT-S"),
                product: Some(ProductId(id(6))),
                title: "Shirt, small".to_owned(),
                quantity: units(2),
                unit_price: dollars(2_500),
                source: LineSource::Claim(claim),
                options: None,
            },
            OrderLine {
                sku: sku("MUG"),
                product: None,
                title: "Mug".to_owned(),
                quantity: units(1),
                unit_price: dollars(900),
                source: LineSource::Hold(HoldId(id(10))),
                options: None,
            },
        ],
        totals: OrderTotals {
            subtotal: dollars(5_900),
            shipping: dollars(500),
            tax: dollars(1_121),
            total: dollars(7_521),
        },
        at: at(0),
    }
}

impl Sampled for Order {
    fn golden() -> Golden<Self> {
        let refund = |number, amount, cancel, processed| OrderEvent::RefundAsked {
            refund: RefundId(id(number)),
            amount: dollars(amount),
            reason: "a scratch".to_owned(),
            restock: true,
            cancel,
            processed,
            lines: None,
        };
        let history = vec![
            OrderEvent::Placed { details: details() },
            OrderEvent::Paid { at: at(1) },
            OrderEvent::ReceiptMailed { at: at(2) },
            refund(11, 521, false, processed(20, 10)),
            OrderEvent::RefundFailed { refund: RefundId(id(11)), code: "try_later".to_owned(), at: at(11) },
            refund(12, 521, false, processed(21, 20)),
            OrderEvent::Refunded {
                refund: RefundId(id(12)),
                amount: dollars(521),
                restock: true,
                at: at(21),
                lines: None,
                notify: None,
            },
            OrderEvent::Restocked { sku: sku("SHIRT-S"), total: 2, at: at(22) },
            refund(13, 7_000, true, processed(22, 30)),
        ];
        let others = vec![
            OrderEvent::CaptureFailed { at: at(1) },
            OrderEvent::Cancelled {
                reason: "out of paint".to_owned(),
                restock: true,
                processed: processed(22, 30),
                at: at(31),
                notify: None,
            },
            OrderEvent::Fulfilled { tracking: Some("1Z999AA10123456784".to_owned()), processed: processed(23, 40) },
            OrderEvent::Shipped {
                fulfillment: FulfillmentId(id(14)),
                lines: vec![LineUnits { line: 0, units: 1 }],
                tracking: Some("1Z999AA10123456784".to_owned()),
                processed: processed(24, 50),
            },
            OrderEvent::TrackingChanged {
                fulfillment: FulfillmentId(id(14)),
                tracking: Some("1Z999AA10123456785".to_owned()),
                processed: processed(25, 60),
            },
            OrderEvent::NoticeMailed { notice: 1, at: at(61) },
        ];
        let lines = Some(vec![LineRefund { line: 0, units: 1, restock: true }]);
        let mut with_options = details();
        with_options.lines[0].options = Some(vec![OptionValue { name: "Size".to_owned(), value: "S".to_owned() }]);
        let sorts = vec![
            ("with-options", OrderEvent::Placed { details: with_options }),
            (
                "of-lines",
                OrderEvent::RefundAsked {
                    refund: RefundId(id(15)),
                    amount: dollars(2_975),
                    reason: "a scratch".to_owned(),
                    restock: false,
                    cancel: false,
                    processed: processed(26, 70),
                    lines: lines.clone(),
                },
            ),
            (
                "of-lines",
                OrderEvent::Refunded {
                    refund: RefundId(id(15)),
                    amount: dollars(2_975),
                    restock: false,
                    at: at(71),
                    lines,
                    notify: Some(true),
                },
            ),
            (
                "with-notice",
                OrderEvent::Cancelled {
                    reason: "out of paint".to_owned(),
                    restock: true,
                    processed: processed(22, 30),
                    at: at(31),
                    notify: Some(true),
                },
            ),
        ];
        Golden { history, others, sorts, messages: messages() }
    }
}

variants! {
    OrderCommand: Place, MarkPaid, CaptureFailed, Cancel, Refund, RefundLines, Fulfil, ChangeTracking, View,
}
variants! { OrderReply: Order }
variants! {
    OrderRejection: NotFound, KeyReused, NotAllowed, RefundInProgress, RefundTooLarge, FulfillmentNotFound, TooManyUnits,
    TooManyFulfillments, TooManyRefunds, RefundFailed, Invalid,
}

fn commands() -> Vec<(&'static str, OrderCommand)> {
    let Details { tenant, order, number, buyer: subject, contact, checkout, payment, lines, totals, at: _ } = details();
    let (reason, line) = (|| "a scratch".to_owned(), OrderLineId(id(16)));
    let (fulfillment, tracking) = (FulfillmentId(id(14)), Some("1Z999AA10123456784".to_owned()));
    let place =
        OrderCommand::Place { tenant, order, number, buyer: subject, contact, checkout, payment, lines, totals };
    vec![
        ("", place),
        ("", OrderCommand::MarkPaid),
        ("", OrderCommand::CaptureFailed),
        ("", OrderCommand::Cancel { reason: reason(), restock: true }),
        ("", OrderCommand::Refund { amount: dollars(521), reason: reason(), restock: true }),
        ("", OrderCommand::RefundLines { lines: vec![(line, units(1), true)], reason: reason() }),
        ("", OrderCommand::Fulfil { lines: None, tracking: None }),
        ("of-lines", OrderCommand::Fulfil { lines: Some(vec![(line, units(1))]), tracking: tracking.clone() }),
        ("", OrderCommand::ChangeTracking { fulfillment, tracking }),
        ("removed", OrderCommand::ChangeTracking { fulfillment, tracking: None }),
        ("", OrderCommand::View { viewer: Some(buyer()) }),
        ("of-the-merchant", OrderCommand::View { viewer: None }),
    ]
}

fn replies() -> Vec<(&'static str, OrderReply)> {
    let (fulfillment, tracking) = (FulfillmentId(id(14)), Some("1Z999AA10123456784".to_owned()));
    let changes = vec![
        Change::Shipped {
            fulfillment,
            lines: vec![LineUnits { line: 0, units: 1 }],
            tracking: tracking.clone(),
            at: at(50),
        },
        Change::TrackingChanged { fulfillment, tracking: None, at: at(60) },
        Change::Refunded { lines: vec![LineRefund { line: 0, units: 1, restock: true }] },
    ];
    let changed = Status {
        payment_state: OrderPaymentState::PartiallyRefunded,
        fulfillment_state: FulfillmentState::PartiallyFulfilled,
        refunded: 521,
        paid_at: Some(at(1)),
        fulfilled_at: Some(at(50)),
        cancelled_at: Some(at(70)),
        tracking,
        restocked: true,
    };
    let seen = |status, changes| {
        let Details { order, number, buyer, contact, checkout, payment, lines, totals, at, .. } = details();
        OrderReply::Order(Box::new(OrderView {
            id: order,
            number,
            buyer,
            contact,
            checkout,
            payment,
            lines,
            totals,
            refunded: dollars(521),
            placed_at: at,
            status,
            changes,
        }))
    };
    let of = |payment_state, fulfillment_state| {
        seen(Status { payment_state, fulfillment_state, ..Status::default() }, Vec::new())
    };
    vec![
        ("", seen(Status::default(), Vec::new())),
        ("changed", seen(changed, changes)),
        ("fulfilled", of(OrderPaymentState::Paid, FulfillmentState::Fulfilled)),
        ("cancelled", of(OrderPaymentState::Refunded, FulfillmentState::Cancelled)),
        ("failed", of(OrderPaymentState::Failed, FulfillmentState::Cancelled)),
    ]
}

fn messages() -> Messages<Order> {
    let rejections = vec![
        ("", OrderRejection::NotFound),
        ("", OrderRejection::KeyReused(KeyReused)),
        ("", OrderRejection::NotAllowed { why: "the order is paid".into() }),
        ("", OrderRejection::RefundInProgress),
        ("", OrderRejection::RefundTooLarge { refundable: dollars(7_000) }),
        ("", OrderRejection::FulfillmentNotFound),
        ("", OrderRejection::TooManyUnits { line: OrderLineId(id(16)), remaining: 1 }),
        ("", OrderRejection::TooManyFulfillments),
        ("", OrderRejection::TooManyRefunds),
        ("", OrderRejection::RefundFailed { code: "try_later".to_owned() }),
        ("", OrderRejection::Invalid { pointer: "/lines".into(), why: "is empty".into() }),
    ];
    Messages { commands: commands(), replies: replies(), rejections }
}
