//! Tests of the images of variants.

use super::*;

fn pictures(product: &ProductRows) -> Vec<Option<Option<&str>>> {
    product.change.variants.iter().map(|variant| variant.image.as_ref().map(Option::as_deref)).collect()
}

#[test]
fn each_row_has_the_image_of_its_variant() {
    for column in ["Variant Image", "Variant image URL"] {
        let file = format!(
            "Handle,Title,Option1 Name,Option1 Value,Price,Image Src,{column}\n\
             shirt,Shirt,Colour,Red,1,/red,/red\n\
             shirt,,,Blue,1,/blue, HTTPS://x.example/a b.jpg \n\
             shirt,,,Green,1,,\n"
        );
        let read = read(&file);
        let product = read.product();
        let fixed = Some(Some("https://x.example/a%20b.jpg"));
        assert_eq!(pictures(product), [Some(Some("/red")), fixed, Some(None)]);
        assert!(product.warnings.is_empty() && read.file_warnings.is_empty(), "{:?}", read.file_warnings);
    }
    let without = read("Handle,Title,Option1 Name,Option1 Value,Price\nshirt,Shirt,Colour,Red,1\n");
    assert_eq!(pictures(without.product()), [None]);
}

#[test]
fn a_bad_picture_of_a_variant_costs_the_picture() {
    let file = read(
        "Handle,Title,Option1 Name,Option1 Value,Price,Image Src,Variant Image\n\
         shirt,Shirt,Colour,Red,1,/red,data:image/png;base64;AAAA\n\
         shirt,,,Blue,1,,nowhere\n",
    );
    let product = file.product();
    assert_eq!((product.rows.len(), pictures(product)), (2, vec![None, None]));
    let words: Vec<_> = product.warnings.iter().map(|warning| (warning.line, warning.kind.to_string())).collect();
    assert_eq!(words.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3]);
    assert!(
        words.iter().all(|(_, words)| words.starts_with("the image was not imported: Variant Image ")),
        "{words:?}"
    );
}

#[test]
fn more_pictures_of_variants_than_a_product_takes_cost_the_pictures() {
    let mut file = read("Handle,Title,Price,Variant Image\nmug,Mug,1,/a\n");
    let product = &mut file.products[0];
    let rejection =
        ProductRejection::Invalid { pointer: "/images".into(), why: "a product has at most 250 images".into() };
    assert!(product.refuse(&rejection).is_empty());
    assert_eq!((product.rows.len(), pictures(product)), (1, vec![None]));
}
