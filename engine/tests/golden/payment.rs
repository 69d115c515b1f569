//! Samples of payments.

use engine::{
    aggregate::KeyReused,
    id::{CommandId, PaymentId, RefundId},
    payment::{Payment, PaymentCommand, PaymentEvent, PaymentRejection, PaymentReply, PaymentState, PaymentView},
};

use crate::{
    Golden, Messages, Sampled,
    golden::samples::{at, dollars, id, tenant},
};

variants! {
    PaymentEvent: AuthoriseAsked, Authorised, ActionRequired, Declined, ConfirmAsked, CaptureAsked, Captured, CaptureFailed,
    VoidAsked, Voided, RefundAsked, Refunded, RefundFailed,
}

impl Sampled for Payment {
    fn golden() -> Golden<Self> {
        let (first, second, third) = (RefundId(id(11)), RefundId(id(12)), RefundId(id(13)));
        let asked = |refund, amount, command, seconds| PaymentEvent::RefundAsked {
            refund,
            amount: dollars(amount),
            command: CommandId(id(command)),
            at: at(seconds),
        };
        let history = vec![
            PaymentEvent::AuthoriseAsked {
                tenant: tenant(),
                payment: PaymentId(id(1)),
                provider: "sandbox".to_owned(),
                token: "tok_challenge".to_owned(),
                amount: dollars(12_345),
                command: CommandId(id(2)),
                at: at(0),
            },
            PaymentEvent::ActionRequired { url: "https://bank.test/3ds/1".to_owned(), expires_at: at(900), at: at(1) },
            PaymentEvent::ConfirmAsked { command: CommandId(id(3)), at: at(60) },
            PaymentEvent::Authorised { at: at(61) },
            PaymentEvent::CaptureAsked { command: CommandId(id(4)), at: at(62) },
            PaymentEvent::Captured { amount: dollars(12_345), at: at(63) },
            asked(first, 345, 5, 100),
            PaymentEvent::Refunded { refund: first, amount: dollars(345), at: at(101) },
            asked(second, 1_000, 6, 110),
            PaymentEvent::RefundFailed { refund: second, code: "insufficient_funds".to_owned(), at: at(111) },
            asked(third, 2_000, 7, 120),
        ];
        let others = vec![
            PaymentEvent::Declined { code: "card_declined".to_owned(), at: at(1) },
            PaymentEvent::CaptureFailed { code: "authorisation_expired".to_owned(), at: at(63) },
            PaymentEvent::VoidAsked { command: CommandId(id(8)), at: at(64) },
            PaymentEvent::Voided { at: at(65) },
        ];
        Golden { history, others, sorts: Vec::new(), messages: messages() }
    }
}

variants! { PaymentCommand: Authorise, Confirm, Capture, Void, Refund, View }
variants! { PaymentReply: Payment, Voided }
variants! {
    PaymentRejection: NotFound, KeyReused, Voided, AlreadyCaptured, CaptureFailed, RefundFailed, RefundTooLarge,
    TooManyRefunds, NotAllowed, Invalid,
}

fn messages() -> Messages<Payment> {
    let commands = vec![
        (
            "",
            PaymentCommand::Authorise {
                tenant: tenant(),
                payment: PaymentId(id(1)),
                provider: "sandbox".to_owned(),
                token: "tok_challenge".to_owned(),
                amount: dollars(12_345),
            },
        ),
        ("", PaymentCommand::Confirm),
        ("", PaymentCommand::Capture),
        ("", PaymentCommand::Void),
        ("", PaymentCommand::Refund { refund: RefundId(id(11)), amount: dollars(345) }),
        ("", PaymentCommand::View),
    ];
    let seen = |state| {
        PaymentReply::Payment(PaymentView {
            id: PaymentId(id(1)),
            provider: "sandbox".to_owned(),
            state,
            amount: dollars(12_345),
            captured: dollars(12_345),
            refunded: dollars(345),
        })
    };
    let code = || "card_declined".to_owned();
    let challenge = PaymentState::RequiresAction { url: "https://bank.test/3ds/1".to_owned(), expires_at: at(900) };
    let replies = vec![
        ("", seen(PaymentState::Captured)),
        ("pending", seen(PaymentState::Pending)),
        ("requires-action", seen(challenge)),
        ("authorised", seen(PaymentState::Authorised)),
        ("declined", seen(PaymentState::Declined { code: code() })),
        ("voided", seen(PaymentState::Voided)),
        ("failed", seen(PaymentState::Failed { code: code() })),
        ("", PaymentReply::Voided),
    ];
    let rejections = vec![
        ("", PaymentRejection::NotFound),
        ("", PaymentRejection::KeyReused(KeyReused)),
        ("", PaymentRejection::Voided),
        ("", PaymentRejection::AlreadyCaptured),
        ("", PaymentRejection::CaptureFailed { code: code() }),
        ("", PaymentRejection::RefundFailed { code: code() }),
        ("", PaymentRejection::RefundTooLarge { refundable: dollars(45) }),
        ("", PaymentRejection::TooManyRefunds),
        ("", PaymentRejection::NotAllowed { why: "the payment is not captured".into() }),
        ("", PaymentRejection::Invalid { pointer: "/amount".into(), why: "is out of range".into() }),
    ];
    Messages { commands, replies, rejections }
}
