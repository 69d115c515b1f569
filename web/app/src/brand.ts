export const BRAND = "FusionCommerce";
