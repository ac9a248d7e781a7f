//! The conditions of a grant, written into the parameters and the body of an operation as far as OpenAPI can say them. What
//! it cannot say is in the description alone; so nothing here is relied upon, and a request is judged by the rules.

use serde_json::{Map, Value, json};

use crate::config::{Conditions, OtherParameters, QueryCondition};

/// Narrows an operation's object. `resolve` gives what a reference is about.
pub(super) fn apply(
    operation: &mut Map<String, Value>,
    conditions: &Conditions,
    resolve: &dyn Fn(&str) -> Option<Value>,
) {
    if let Some(Value::Array(parameters)) = operation.get_mut("parameters") {
        parameters.retain_mut(|parameter| narrow(parameter, conditions, resolve));
    }
    if let Some(members) = &conditions.body
        && let Some(content) = operation.get_mut("requestBody").and_then(|body| body.get_mut("content"))
    {
        only_members(content, members, resolve);
    }
}

fn resolved(value: &Value, resolve: &dyn Fn(&str) -> Option<Value>) -> Option<Value> {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => resolve(reference),
        None => Some(value.clone()),
    }
}

/// Whether the parameter may be given at all.
fn narrow(parameter: &mut Value, conditions: &Conditions, resolve: &dyn Fn(&str) -> Option<Value>) -> bool {
    let Some(mut whole) = resolved(parameter, resolve) else { return true };
    if whole.get("in").and_then(Value::as_str) != Some("query") {
        return true;
    }
    let Some(name) = whole.get("name").and_then(Value::as_str).map(str::to_owned) else { return true };
    let found = conditions.query.iter().find(|(known, _)| *known == name).map(|(_, condition)| condition);
    match found {
        Some(condition) if condition.forbidden => false,
        Some(condition) => {
            bound(&mut whole, condition);
            *parameter = whole;
            true
        }
        None if conditions.others == OtherParameters::Forbidden => {
            // One parameter of the document stands for all that Logto's search takes (fact 6.8).
            name == "search_params"
                && conditions.query.iter().any(|(known, asked)| !asked.forbidden && is_search(known))
        }
        None => true,
    }
}

fn is_search(name: &str) -> bool {
    name.starts_with("search") || name.starts_with("mode") || matches!(name, "joint" | "isCaseSensitive")
}

fn bound(parameter: &mut Value, condition: &QueryCondition) {
    if condition.required
        && let Some(parameter) = parameter.as_object_mut()
    {
        parameter.insert("required".into(), true.into());
    }
    let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut) else { return };
    let is_number = matches!(schema.get("type").and_then(Value::as_str), Some("integer" | "number"));
    let is_plain = !["oneOf", "anyOf", "allOf", "$ref"].iter().any(|key| schema.contains_key(*key));
    if is_number {
        let tighter =
            |schema: &Map<String, Value>, key: &str, bound: u64, is_tighter: fn(f64, f64) -> bool| {
                let known = schema.get(key).and_then(Value::as_f64);
                known.is_none_or(|known| is_tighter(bound as f64, known))
            };
        if let Some(max) = condition.max.filter(|max| tighter(schema, "maximum", *max, |a, b| a < b)) {
            schema.insert("maximum".into(), max.into());
        }
        if let Some(min) = condition.min.filter(|min| tighter(schema, "minimum", *min, |a, b| a > b)) {
            schema.insert("minimum".into(), min.into());
        }
    }
    if let Some(values) = condition.one_of.as_ref().filter(|_| is_plain) {
        let typed = |value: &String| match value.parse::<u64>() {
            Ok(number) if is_number => json!(number),
            _ => json!(value),
        };
        schema.insert("enum".into(), values.iter().map(typed).collect());
    }
    let default = schema.get("default").cloned();
    if default.is_some_and(|default| !holds(schema, &default)) {
        schema.remove("default");
    }
}

/// Whether a default is still one of the values.
fn holds(schema: &Map<String, Value>, default: &Value) -> bool {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let number = default.as_f64();
    let above = number.zip(bound("maximum")).is_some_and(|(number, max)| number > max);
    let below = number.zip(bound("minimum")).is_some_and(|(number, min)| number < min);
    let listed = schema.get("enum").and_then(Value::as_array).is_none_or(|values| values.contains(default));
    !above && !below && listed
}

/// A conditioned body is a JSON object with these members at its top and no others.
fn only_members(content: &mut Value, members: &[String], resolve: &dyn Fn(&str) -> Option<Value>) {
    let Some(content) = content.as_object_mut() else { return };
    content.retain(|kind, _| kind == "application/json");
    let Some(media) = content.get_mut("application/json").and_then(Value::as_object_mut) else { return };
    // An example may show what must not be sent.
    media.remove("example");
    media.remove("examples");
    let Some(Value::Object(mut schema)) = media.get("schema").and_then(|schema| resolved(schema, resolve))
    else {
        return;
    };
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    if properties.keys().all(|name| members.contains(name))
        && members.iter().all(|name| properties.contains_key(name))
    {
        return;
    }
    properties.retain(|name, _| members.contains(name));
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name.as_str().is_some_and(|name| members.iter().any(|known| known == name)));
        // An empty list is no list in OpenAPI 3.0.
        if required.is_empty() {
            schema.remove("required");
        }
    }
    schema.remove("example");
    schema.insert("additionalProperties".into(), false.into());
    media.insert("schema".into(), Value::Object(schema));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(json: Value) -> QueryCondition {
        QueryCondition {
            required: json["required"].as_bool().unwrap_or_default(),
            forbidden: json["forbidden"].as_bool().unwrap_or_default(),
            max: json["max"].as_u64(),
            min: json["min"].as_u64(),
            one_of: json["one_of"].as_array().map(|values| {
                values.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
            }),
        }
    }

    fn conditions(query: &[(&str, Value)], others: OtherParameters, body: Option<&[&str]>) -> Conditions {
        let query =
            query.iter().map(|(name, asked)| ((*name).to_owned(), condition(asked.clone()))).collect();
        Conditions {
            query,
            others,
            body: body.map(|body| body.iter().map(|name| (*name).to_owned()).collect()),
        }
    }

    fn applied(operation: Value, conditions: &Conditions) -> Value {
        let Value::Object(mut operation) = operation else { panic!("an object") };
        apply(&mut operation, conditions, &|reference| {
            (reference == "#/components/parameters/page")
                .then(|| json!({ "name": "page", "in": "query", "schema": {} }))
        });
        Value::Object(operation)
    }

    fn users() -> Value {
        json!({ "parameters": [
            { "name": "userId", "in": "path", "required": true },
            { "$ref": "#/components/parameters/page" },
            { "$ref": "#/components/parameters/unknown" },
            { "name": "page_size", "in": "query", "schema": { "type": "integer", "minimum": 1, "default": 20 } },
            { "name": "type", "in": "query", "schema": { "type": "string", "default": "a" } },
            { "name": "search_params", "in": "query" },
        ] })
    }

    fn names(operation: &Value) -> Vec<&str> {
        let parameters = operation["parameters"].as_array().unwrap().iter();
        parameters.map(|it| it["name"].as_str().or(it["$ref"].as_str()).unwrap()).collect()
    }

    #[test]
    fn what_is_forbidden_is_no_longer_there() {
        let forbid = |query: &[(&str, Value)], others| applied(users(), &conditions(query, others, None));
        let one = forbid(&[("page", json!({ "forbidden": true }))], OtherParameters::Unrestricted);
        let unknown = "#/components/parameters/unknown";
        assert_eq!(names(&one), ["userId", unknown, "page_size", "type", "search_params"]);
        let others = forbid(&[("page_size", json!({ "max": 50 }))], OtherParameters::Forbidden);
        assert_eq!(names(&others), ["userId", unknown, "page_size"]);
        let search = forbid(&[("search.name", json!({ "max": 50 }))], OtherParameters::Forbidden);
        assert_eq!(names(&search), ["userId", unknown, "search_params"]);
        let search = forbid(&[("search.name", json!({ "forbidden": true }))], OtherParameters::Forbidden);
        assert_eq!(names(&search), ["userId", unknown]);
    }

    #[test]
    fn bounds_and_values_are_those_of_the_schema() {
        let schema = |name: &str, asked: Value| {
            let operation =
                applied(users(), &conditions(&[(name, asked)], OtherParameters::Unrestricted, None));
            let all = operation["parameters"].as_array().unwrap().clone();
            all.into_iter().find(|it| it["name"] == name).unwrap()
        };
        let size = schema("page_size", json!({ "required": true, "max": 50, "min": 0 }));
        assert_eq!(size["schema"], json!({ "type": "integer", "minimum": 1, "maximum": 50, "default": 20 }));
        assert_eq!(size["required"], true);
        let small = schema("page_size", json!({ "max": 5 }));
        assert_eq!(
            small["schema"],
            json!({ "type": "integer", "minimum": 1, "maximum": 5 }),
            "20 is no default of it"
        );
        let listed = schema("page_size", json!({ "one_of": ["10", "20"] }));
        assert_eq!(listed["schema"]["enum"], json!([10, 20]));
        let word = schema("type", json!({ "one_of": ["a", "7"], "max": 3 }));
        assert_eq!(word["schema"], json!({ "type": "string", "default": "a", "enum": ["a", "7"] }));
        assert_eq!(
            schema("page", json!({ "required": true }))["required"],
            true,
            "a reference becomes a parameter of its own"
        );
    }

    #[test]
    fn a_body_has_the_members_that_are_granted_and_no_others() {
        let body = json!({ "requestBody": { "content": {
            "application/json": {
                "example": { "name": "x", "password": "y" },
                "schema": { "type": "object", "required": ["name", "password"], "properties": { "name": {}, "password": {} } },
            },
            "multipart/form-data": {},
        } } });
        let only = |members: &[&str]| {
            applied(body.clone(), &conditions(&[], OtherParameters::Unrestricted, Some(members)))["requestBody"]["content"].take()
        };
        assert_eq!(
            only(&["name", "other"]),
            json!({ "application/json": { "schema": {
                "type": "object", "required": ["name"], "properties": { "name": {} }, "additionalProperties": false,
            } } })
        );
        let none = only(&[]);
        assert_eq!(
            none["application/json"]["schema"],
            json!({ "type": "object", "properties": {}, "additionalProperties": false })
        );
    }
}
