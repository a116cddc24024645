//! The description can be read, and says enough.

use super::*;

#[test]
fn every_shape_that_is_named_is_described() {
    let description = Description::load().expect("the .api files are right");
    for (name, shape) in &description.shapes {
        let named: Vec<&str> = match shape {
            Shape::Object { fields, .. } => {
                fields.iter().filter_map(|field| field.kind.named()).collect()
            }
            Shape::Union { of, .. } => of.clone(),
            Shape::Enum { .. } => Vec::new(),
        };
        for other in named {
            assert!(
                description.shapes.contains_key(other),
                "{name} names the shape {other}: describe it in a .api file beside its code"
            );
        }
    }
}

#[test]
fn every_text_has_an_example() {
    let description = Description::load().expect("the .api files are right");
    for (name, shape) in &description.shapes {
        let Shape::Object { fields, .. } = shape else { continue };
        for field in fields {
            let bare = match &field.kind {
                Kind::List(item) => &**item,
                kind => kind,
            };
            let needs = matches!(bare, Kind::Text(_)) && !field.rare;
            assert!(
                !needs || field.example.is_some(),
                "{name}.{} needs an example: add ~\"…\" to its line",
                field.name
            );
        }
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let mut description = Description::default();
    let error = read::read("x.api", "shape A: a\nb wrong : c", &mut description);
    let error = error.expect_err("no such kind");
    assert_eq!(error.to_string(), "x.api, line 2: wrong is no kind");
}

#[test]
fn a_field_line_says_all() {
    let mut description = Description::default();
    let text = "shape A: a\nname* text(1..64) null ~\"x : y\" =\"z\" : Its : name.\n| More.";
    read::read("x.api", text, &mut description).expect("right");
    let Some(Shape::Object { fields, .. }) = description.shapes.get("A") else { panic!("no A") };
    let field = &fields[0];
    assert_eq!((field.name, &field.kind), ("name", &Kind::Text(Some((1, 64)))));
    assert!(field.required && field.nullable);
    assert_eq!(field.example, Some("x : y".into()));
    assert_eq!(field.text, "Its : name. More.");
}
