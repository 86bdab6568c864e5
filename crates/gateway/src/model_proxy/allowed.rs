//! Which models a run may use.

/// The models that a run may use: those that are in each of some lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedModels(Vec<Vec<String>>);

impl AllowedModels {
    /// Each list has names of models, exact or with one `*` for any text; an empty one has every model.
    pub fn new(lists: impl IntoIterator<Item = Vec<String>>) -> Self {
        Self(lists.into_iter().filter(|list| !list.is_empty()).collect())
    }

    /// The list that does not have `model`, where one does not.
    pub fn without(&self, model: &str) -> Option<&[String]> {
        let has = |list: &Vec<String>| list.iter().any(|allowed| fits(allowed, model));
        self.0.iter().find(|list| !has(list)).map(Vec::as_slice)
    }
}

fn fits(allowed: &str, model: &str) -> bool {
    match allowed.split_once('*') {
        None => allowed == model,
        Some((start, end)) => {
            model.len() >= start.len() + end.len() && model.starts_with(start) && model.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_to_be_in_every_list() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let models = AllowedModels::new([list(&["claude-*", "gpt-5"]), list(&[]), list(&["claude-*-5", "gpt-5"])]);
        assert_eq!(models.without("claude-haiku-4-5"), None);
        assert_eq!(models.without("gpt-5"), None);
        assert_eq!(models.without("claude-opus-6"), Some(list(&["claude-*-5", "gpt-5"]).as_slice()));
        assert_eq!(models.without("gemini-3"), Some(list(&["claude-*", "gpt-5"]).as_slice()));
        assert_eq!(AllowedModels::new([list(&["aa*aa"])]).without("aaa"), Some(list(&["aa*aa"]).as_slice()));
        assert_eq!(AllowedModels::default().without("anything"), None);
    }
}
