//! The link that shows an order without a session.

use engine::id::{OrderId, TenantId};
use subtle::ConstantTimeEq;
use utoipa::IntoParams;

use crate::{
    Gateway,
    auth::keys::keyed_hash,
    edge::{FromQuery, Parameters},
    problem::Faults,
};

/// The maximum length of `access` in bytes: twice that of a valid one.
const ACCESS_BYTES_MAX: usize = 64;

/// How an order is looked at without a session.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Access {
    /// The token from the order's `access_url`, which shows the order without personal data.
    #[param(max_length = 64, nullable = false)]
    pub(super) access: Option<String>,
}

impl FromQuery for Access {
    const NAMES: &'static [&'static str] = &["access"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        let access = parameters.text("access");
        faults.check(
            "?access",
            access.is_none_or(|text| text.len() <= ACCESS_BYTES_MAX),
            "is not a valid access token",
        );
        Some(Self { access: access.map(str::to_owned) })
    }
}

impl Gateway {
    /// Returns the URL of the page that shows an order to anyone who has it, without personal data.
    ///
    /// `shop_url` is the shop's own URL: see [`shop_url`](Gateway::shop_url).
    pub fn order_access_url(&self, shop_url: &str, tenant: &TenantId, order: OrderId) -> String {
        // In the fragment, so that it reaches no server log and no other site in a `Referer`.
        format!("{shop_url}/orders/{order}#access={}", self.order_access(tenant, order))
    }

    fn order_access(&self, tenant: &TenantId, order: OrderId) -> String {
        let hash = keyed_hash(&self.order_access_key, &[tenant.as_str().as_bytes(), &order.to_bytes()]);
        data_encoding::HEXLOWER.encode(&hash[..16])
    }

    /// Whether `access` is the access code in an order's [URL](Gateway::order_access_url).
    pub(super) fn is_order_access(&self, tenant: &TenantId, order: OrderId, access: &str) -> bool {
        self.order_access(tenant, order).as_bytes().ct_eq(access.as_bytes()).into()
    }
}
