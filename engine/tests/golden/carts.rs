//! Samples of carts.

use engine::{
    cart::{Cart, CartEvent, CartLine, NewPrice},
    id::{CartId, CheckoutId, LineId, ProductId, SubjectId, VariantId},
    money::Currency,
    product::OptionValue,
};

use crate::{
    Golden, Sampled,
    samples::{at, dollars, id, processed, sku, tenant, units},
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
        Golden { history, others, sorts }
    }
}
