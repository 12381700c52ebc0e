//! The ends of a model for a folder of images.

use std::collections::BTreeSet;

use caudal::data::Table;
use image::{ImageDecoder, ImageReader};

use super::ends::{Input, Names, Sketch, Target};
use crate::cli::Stop;

/// So many images are looked at.
const MOST_LOOKED_AT: usize = 500;
/// Images are not taken larger than this: training would take long.
const LARGEST: usize = 128;
/// What images of several sizes become.
const USUAL: usize = 64;

pub(super) fn sketch(table: &Table, targets: &[String]) -> Result<Sketch, Stop> {
    let refuse = |problem: String| Err(Stop::Usage(format!("{}: {problem}", table.name())));
    let class = table.column("class");
    if let Some(other) = targets.iter().find(|name| *name != "class") {
        return refuse(format!("--target {other}: the target of a folder of images is `class`"));
    }
    let Some(class) = class else {
        return refuse(
            "its images have no classes; put them into a folder for every class".to_owned(),
        );
    };
    let profile = &table.profiles()?[class];
    let Some(classes) = profile.texts.as_ref().map(std::collections::BTreeMap::len) else {
        return refuse("it has more than 256 classes".to_owned());
    };
    if classes < 2 {
        return refuse(
            "all its images are of one class, so that there is nothing to learn".to_owned(),
        );
    }
    let (mut sizes, mut colours, mut largest) = (BTreeSet::new(), false, 0);
    let step = table.len().div_ceil(MOST_LOOKED_AT).max(1);
    for row in (0..table.len()).step_by(step) {
        let Some(path) = table.image_path(row) else { continue };
        let header = ImageReader::open(&path)
            .and_then(ImageReader::with_guessed_format)
            .map_err(image::ImageError::IoError)
            .and_then(ImageReader::into_decoder);
        let decoder = match header {
            Ok(decoder) => decoder,
            Err(error) => {
                let text = format!("{}: it is no PNG or JPEG image: {error}", path.display());
                return Err(Stop::Usage(text));
            }
        };
        let (width, height) = decoder.dimensions();
        sizes.insert((height as usize, width as usize));
        largest = largest.max(height.max(width) as usize);
        colours |= decoder.color_type().has_color();
    }
    let channels = if colours { 3 } else { 1 };
    let one_size = sizes.first().copied().filter(|_| sizes.len() == 1 && largest <= LARGEST);
    let mut lines = Vec::new();
    let (height, width) = one_size.unwrap_or_else(|| {
        lines.push(
            "image = \"crop\"                     # scaled until it covers the shape, the middle kept; or \"pad\", \
             \"stretch\""
                .to_owned(),
        );
        (USUAL.min(largest), USUAL.min(largest))
    });
    let small_changes = 2.min(height / 8).max(1);
    lines.push(format!(
        "# augment = [{{ kind = \"shift\", pixels = {small_changes} }}, {{ kind = \"flip\" }}] # changes training \
         images at random"
    ));
    let mut names = Names::default();
    let name = names.new_name("image");
    let input = Input { name, shape: vec![height, width, channels], lines };
    let target =
        Target { name: names.new_name("class"), classes: Some(classes), lines: Vec::new() };
    Ok(Sketch { inputs: vec![input], targets: vec![target], comments: Vec::new() })
}
