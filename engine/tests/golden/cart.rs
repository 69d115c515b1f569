//! Samples of carts.

use std::sync::Arc;

use engine::{
    aggregate::KeyReused,
    cart::{Cart, CartCommand, CartEvent, CartLine, CartRejection, CartReply, CartView, NewPrice},
    id::{CartId, CheckoutId, LineId, ProductId, SubjectId, VariantId},
    money::Currency,
    product::OptionValue,
};

use crate::{
    Golden, Messages, Sampled,
    golden::{
        flash_drop::buyer,
        samples::{at, dollars, id, processed, sku, tenant, units},
    },
};

variants! { CartEvent: Created, LinePut, LineChanged, LineRemoved, Deleted, CheckoutBegan, CheckoutEnded, Expired }

pub(crate) fn line(number: u8, name: &str) -> CartLine {
    CartLine {
        id: LineId(id(number)),
        sku: sku(name),
        product: ProductId(id(number + 20)),
        variant: VariantId(id(number + 40)),
        title: format!("{name} of the shop"),
        quantity: units(2),
        price: dollars(1_250),
        options: None,
    }
}

impl Sampled for Cart {
    fn golden() -> Golden<Self> {
        let history = vec![
            CartEvent::Created {
                tenant: tenant(),
                cart: CartId(id(1)),
                buyer: SubjectId(id(2)),
                currency: Some(Currency::USD),
                processed: processed(70, 0),
            },
            CartEvent::LinePut { line: line(3, "MUG"), processed: processed(71, 1) },
            CartEvent::LinePut { line: line(4, "POSTER"), processed: processed(72, 2) },
            CartEvent::LinePut { line: line(5, "SHIRT-S"), processed: processed(73, 3) },
            CartEvent::LineChanged { line: LineId(id(3)), quantity: units(7), processed: processed(74, 4) },
            CartEvent::LineRemoved { line: LineId(id(4)), processed: processed(75, 5) },
            CartEvent::CheckoutBegan { checkout: CheckoutId(id(60)), attempt: 1, at: at(10) },
            CartEvent::CheckoutEnded {
                checkout: CheckoutId(id(60)),
                attempt: 1,
                sold: false,
                prices: vec![NewPrice { sku: sku("MUG"), price: dollars(1_300) }],
                until: at(40),
                at: at(11),
            },
            CartEvent::CheckoutBegan { checkout: CheckoutId(id(61)), attempt: 2, at: at(20) },
        ];
        let others = vec![CartEvent::Deleted { processed: processed(76, 30) }, CartEvent::Expired { at: at(50) }];
        let size = OptionValue { name: "Size".to_owned(), value: "S".to_owned() };
        let shirt = CartLine { options: Some(vec![size]), ..line(6, "SHIRT-M") };
        let sorts = vec![("with-options", CartEvent::LinePut { line: shirt, processed: processed(77, 60) })];
        Golden { history, others, sorts, messages: messages() }
    }
}

variants! { CartCommand: Create, AddLine, ChangeLine, RemoveLine, Delete, Expire, View, BeginCheckout, EndCheckout }
variants! { CartReply: Cart, Done }
variants! {
    CartRejection: NotFound, LineNotFound, KeyReused, CheckoutInProgress, Empty, TooManyLines, TooManyChanges,
    OtherCurrency, TooLate, Invalid,
}

fn messages() -> Messages<Cart> {
    let size = OptionValue { name: "Size".to_owned(), value: "S".to_owned() };
    let (checkout, line_id) = (CheckoutId(id(60)), LineId(id(3)));
    let commands = vec![
        (
            "",
            CartCommand::Create {
                tenant: tenant(),
                cart: CartId(id(1)),
                buyer: buyer(),
                currency: Some(Currency::USD),
            },
        ),
        (
            "",
            CartCommand::AddLine {
                buyer: buyer(),
                sku: sku("SHIRT-S"),
                product: ProductId(id(23)),
                variant: VariantId(id(43)),
                title: "Shirt, small".to_owned(),
                options: vec![size],
                quantity: units(2),
                price: dollars(2_500),
            },
        ),
        ("", CartCommand::ChangeLine { buyer: buyer(), line: line_id, quantity: units(7) }),
        ("", CartCommand::RemoveLine { buyer: buyer(), line: line_id }),
        ("", CartCommand::Delete { buyer: buyer() }),
        ("", CartCommand::Expire { unchanged_since: at(5) }),
        ("", CartCommand::View { buyer: Some(buyer()) }),
        ("of-the-merchant", CartCommand::View { buyer: None }),
        ("", CartCommand::BeginCheckout { buyer: buyer(), checkout, attempt: 1, deadline: at(30) }),
        (
            "",
            CartCommand::EndCheckout {
                checkout,
                attempt: 1,
                sold: true,
                prices: vec![NewPrice { sku: sku("MUG"), price: dollars(1_300) }],
                deadline: at(30),
            },
        ),
    ];
    let view = CartView {
        id: CartId(id(1)),
        buyer: SubjectId(id(2)),
        currency: Some(Currency::USD),
        lines: vec![Arc::new(line(3, "MUG")), Arc::new(line(4, "POSTER"))],
        subtotal: Some(dollars(5_000)),
        checkout: Some(checkout),
        created_at: at(0),
        updated_at: at(9),
    };
    let empty = CartView { currency: None, lines: Vec::new(), subtotal: None, checkout: None, ..view.clone() };
    let replies =
        vec![("", CartReply::Cart(Arc::new(view))), ("empty", CartReply::Cart(Arc::new(empty))), ("", CartReply::Done)];
    let rejections = vec![
        ("", CartRejection::NotFound),
        ("", CartRejection::LineNotFound),
        ("", CartRejection::KeyReused(KeyReused)),
        ("", CartRejection::CheckoutInProgress { checkout }),
        ("", CartRejection::Empty),
        ("", CartRejection::TooManyLines),
        ("", CartRejection::TooManyChanges),
        ("", CartRejection::OtherCurrency { currency: Currency::USD }),
        ("", CartRejection::TooLate),
        ("", CartRejection::Invalid { pointer: "/quantity".into(), why: "is out of range".into() }),
    ];
    Messages { commands, replies, rejections }
}
