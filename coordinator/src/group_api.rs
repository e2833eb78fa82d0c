//! The operator's door to affinity groups. An invitation is shown once, to whoever asked for it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use runnel_coordinator_core::{GroupEdit, GroupTerms, Invite};
use runnel_protocol::group::{Invitation, InvitationHash};
use runnel_protocol::ids::GroupId;
use runnel_protocol::units::UnixSeconds;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use crate::api::{Api, Refusal};
use crate::clock;
use crate::engine::{Command, Question};
use crate::groups::Document;
use crate::store::StoreError;

const UNKNOWN: Refusal = Refusal::NotFound("no such group is listed");

/// A group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupView {
    /// What it is listed as; policies call it `@` and this.
    id: String,
    #[serde(flatten)]
    document: Document,
    /// Whether a viewer or agent made it.
    founded: bool,
    /// How many belong to it that are connected, or were a quarter of an hour ago.
    members: usize,
    invitations: Vec<InviteView>,
}

/// An invitation, without what it takes to use it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InviteView {
    /// By which it is withdrawn.
    hash: String,
    /// Seconds since 1970, where it expires.
    expires: Option<u64>,
    /// How many may join by it, where they are counted, and how many have.
    uses: Option<u16>,
    used: usize,
}

impl From<(GroupTerms, usize)> for GroupView {
    fn from((terms, members): (GroupTerms, usize)) -> Self {
        let invitations = terms.invites.iter().map(|invite| InviteView {
            hash: invite.hash.to_string(),
            expires: invite.expires.map(|end| end.0),
            uses: invite.uses,
            used: invite.used_by.len(),
        });
        Self {
            document: Document::of(&terms),
            founded: terms.founder.is_some(),
            members,
            invitations: invitations.collect(),
            id: terms.id,
        }
    }
}

async fn groups(api: &Api) -> Result<Vec<(GroupTerms, usize)>, Refusal> {
    let groups = api.engine.ask(Question::Groups).await;
    groups.ok_or(Refusal::Unavailable)
}

async fn find(api: &Api, id: &str) -> Result<(GroupTerms, usize), Refusal> {
    let mut listed = groups(api).await?.into_iter();
    listed.find(|(terms, _)| terms.id == id).ok_or(UNKNOWN)
}

/// Has it done, and waits until it is kept.
async fn edit(api: &Api, edit: GroupEdit) -> Result<(), Refusal> {
    let (answer, done) = oneshot::channel();
    api.engine.tell(Command::Group(edit, answer)).await;
    Ok(done.await.map_err(|_| Refusal::Unavailable)??)
}

/// All groups, in the order of their ids on the wire.
#[utoipa::path(get, path = "/v1/groups", responses((status = 200, body = Vec<GroupView>), (status = 403)))]
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Result<Json<Vec<GroupView>>, Refusal> {
    let groups = groups(&api).await?;
    Ok(Json(groups.into_iter().map(GroupView::from).collect()))
}

/// Lists a group, or changes what it says; its invitations stay. It is in force a moment later.
#[utoipa::path(
    put,
    path = "/v1/groups/{id}",
    request_body = Document,
    responses((status = 200, body = GroupView), (status = 400), (status = 403), (status = 409))
)]
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Json(document): Json<Document>,
) -> Result<Json<GroupView>, Refusal> {
    let terms = document.terms(&id);
    let mut terms = terms.map_err(|error| Refusal::BadRequest(error.to_string()))?;
    if let Ok((known, _)) = find(&api, &id).await {
        terms.founder = known.founder;
    }
    edit(&api, GroupEdit::Put(terms)).await?;
    let full = || Refusal::Conflict("there are as many groups as there can be".to_owned());
    let listed = find(&api, &id).await.map_err(|_| full())?;
    Ok(Json(listed.into()))
}

/// Ends a group.
#[utoipa::path(delete, path = "/v1/groups/{id}", responses((status = 204), (status = 403), (status = 404)))]
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    find(&api, &id).await?;
    edit(&api, GroupEdit::Remove(GroupId::of(&id))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What an invitation is to be good for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewInvitation {
    /// How many peers may join by it, 1 to 1000; any number if left out. A page that is loaded again is another peer.
    uses: Option<u16>,
    /// Seconds until nobody joins by it any more; never if left out.
    life_seconds: Option<u64>,
}

/// An invitation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewlyInvited {
    /// What lets its bearer in: it is shown here and nowhere else.
    invitation: String,
    /// By which it is withdrawn.
    hash: String,
}

/// Hands out a further invitation to a group.
#[utoipa::path(
    post,
    path = "/v1/groups/{id}/invitations",
    request_body = NewInvitation,
    responses((status = 201, body = NewlyInvited), (status = 400), (status = 403), (status = 404))
)]
pub(crate) async fn invite(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Json(new): Json<NewInvitation>,
) -> Result<(StatusCode, Json<NewlyInvited>), Refusal> {
    let (terms, _) = find(&api, &id).await?;
    let mut secret = [0u8; 16];
    getrandom::fill(&mut secret).map_err(StoreError::from)?;
    let invitation = Invitation(secret);
    let hash = InvitationHash::from(&invitation);
    let ends = |life| UnixSeconds(clock::unix_seconds().saturating_add(life));
    let invite = Invite {
        hash,
        expires: new.life_seconds.map(ends),
        uses: new.uses,
        used_by: Vec::new(),
    };
    let checked = invite.check().and_then(|()| terms.check_invites());
    checked.map_err(|error| Refusal::BadRequest(error.to_string()))?;
    edit(&api, GroupEdit::Invite(terms.group(), invite)).await?;
    let invitation = invitation.text();
    let hash = hash.to_string();
    Ok((StatusCode::CREATED, Json(NewlyInvited { invitation, hash })))
}

/// Withdraws an invitation: whoever came by it is out.
#[utoipa::path(delete, path = "/v1/groups/{id}/invitations/{hash}", responses((status = 204), (status = 403), (status = 404)))]
pub(crate) async fn withdraw(
    State(api): State<Arc<Api>>,
    Path((id, hash)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let (terms, _) = find(&api, &id).await?;
    let unknown = || Refusal::NotFound("no such invitation is out");
    let hash: InvitationHash = hash.parse().map_err(|_| unknown())?;
    if !terms.invites.iter().any(|invite| invite.hash == hash) {
        return Err(unknown());
    }
    edit(&api, GroupEdit::Withdraw(hash)).await?;
    Ok(StatusCode::NO_CONTENT)
}
