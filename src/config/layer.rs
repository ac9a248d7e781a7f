//! Layers upon each other. figment merges them and says which of them each value came from. It is given the outline
//! of what several layers say something about; a table that one layer alone has stays with it, as one value.

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Num, Tag, Value as Merged},
};

use super::{
    origin::Origin,
    tree::{Members, Node, Value},
};

/// One source of configuration.
pub(super) struct Layer {
    /// Its name, which no other layer has.
    pub(super) name: String,
    pub(super) root: Node,
}

/// What figment sees of a layer.
struct Outline {
    name: String,
    dict: Dict,
}

impl Provider for Outline {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}

/// All layers as one tree; a later one wins. Each value keeps its place, and a table that several layers add to
/// stands where the last of them has it.
pub(super) fn merge(mut layers: Vec<Layer>) -> Node {
    let figment = outlines(&layers).into_iter().fold(Figment::new(), Figment::merge);
    let dict =
        figment.data().ok().and_then(|mut profiles| profiles.remove(&Profile::Default)).unwrap_or_default();
    let names: Vec<_> = layers.iter().map(|layer| layer.name.clone()).collect();
    let layer_of = |tag: Tag| {
        let name = &figment.get_metadata(tag)?.name;
        names.iter().position(|known| known == name)
    };
    let mut roots: Vec<_> = layers.iter_mut().map(|layer| Some(&mut layer.root)).collect();
    let mut root = Node::map(&Origin::from("configuration"));
    root.value = Value::Map(members(dict, &mut roots, &layer_of));
    root
}

fn outlines(layers: &[Layer]) -> Vec<Outline> {
    let outline = |(index, layer): (usize, &Layer)| {
        let others = layers.iter().enumerate().filter(|(other, _)| *other != index);
        let others: Vec<_> = others.filter_map(|(_, other)| other.root.members()).collect();
        let dict = layer.root.members().map_or_else(Dict::new, |own| dict(own, &others));
        Outline { name: layer.name.clone(), dict }
    };
    layers.iter().enumerate().map(outline).collect()
}

/// The members as far down as other layers have tables in the same places.
fn dict(own: &Members, others: &[&Members]) -> Dict {
    let outline = |node: &Node, key: &str| {
        let others: Vec<_> = others.iter().filter_map(|other| other.get(key)?.members()).collect();
        match node.members() {
            Some(own) if !others.is_empty() => Merged::from(dict(own, &others)),
            _ => WHOLE,
        }
    };
    own.iter().map(|(key, node)| (key.to_owned(), outline(node, key))).collect()
}

/// Stands for whatever a layer has at this place.
const WHOLE: Merged = Merged::Num(Tag::Default, Num::U8(0));

fn members(dict: Dict, layers: &mut [Option<&mut Node>], layer_of: &dyn Fn(Tag) -> Option<usize>) -> Members {
    let mut merged = Members::default();
    for (key, value) in dict {
        let mut below: Vec<_> =
            layers.iter_mut().map(|node| node.as_mut().and_then(|node| node.member_mut(&key))).collect();
        let winner = layer_of(value.tag());
        let Some(node) = winner.and_then(|layer| below.get_mut(layer)?.take()) else { continue };
        let origin = node.origin.clone();
        let value = match value {
            Merged::Dict(_, dict) => {
                if let Some(place) = winner.and_then(|layer| below.get_mut(layer)) {
                    *place = Some(node);
                }
                Value::Map(members(dict, &mut below, layer_of))
            }
            _ => std::mem::replace(&mut node.value, Value::Sequence(Vec::new())),
        };
        merged.insert(&key, Node { value, origin });
    }
    merged
}
