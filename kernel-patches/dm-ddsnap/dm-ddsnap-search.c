// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finding the server: the agent says where it listens.
 *
 * Errors    Negative errnos. Without an agent the last known address is tried.
 * Threads   ddsnap_find_server() from anywhere, in its caller's context; ddsnap_search() is the
 *           link thread's.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "dm-ddsnap-link.h"

static int ask_agent_on(struct ddsnap_link *link, struct socket *agent, u8 *body, char *server)
{
	struct ddsnap_header header;
	const struct ddsnap_address *found = (const void *)body;
	int err;

	err = ddsnap_socket_send(agent, DDSNAP_FIND_SERVER, 1, &link->pair, sizeof(link->pair));
	if (!err)
		err = ddsnap_socket_receive(agent, &header, body);
	if (err)
		return err;
	if (le16_to_cpu(header.type) != DDSNAP_SERVER_AT ||
	    le32_to_cpu(header.body_bytes) != sizeof(*found) || !found->path[0] ||
	    found->path[DDSNAP_ADDRESS_BYTES - 1])
		return -EPROTO;
	memcpy(server, found->path, DDSNAP_ADDRESS_BYTES);
	return 0;
}

static void keep_server(struct ddsnap_link *link, const char *server)
{
	spin_lock_irq(&link->lock);
	memcpy(link->server, server, sizeof(link->server));
	spin_unlock_irq(&link->lock);
}

int ddsnap_find_server(struct ddsnap_link *link, struct ddsnap_view *view, struct socket **result)
{
	char server[DDSNAP_ADDRESS_BYTES];
	struct socket *agent;
	u8 *body;
	int err;

	err = ddsnap_view_open(view, link->control, &agent);
	if (err)
		return err;
	body = kvmalloc(DDSNAP_MAX_BODY_BYTES, GFP_NOIO);
	if (!body)
		err = -ENOMEM;
	ddsnap_socket_patience(agent, DDSNAP_FIRST_PATIENCE_S * HZ);
	if (!err)
		err = ask_agent_on(link, agent, body, server);
	kvfree(body);
	sock_release(agent);
	if (!err)
		err = ddsnap_view_open(view, server, result);
	if (!err)
		keep_server(link, server);
	return err;
}

/* What is known so far: the view, and the server's last address. */
static struct ddsnap_view *recall(struct ddsnap_link *link, char *server)
{
	struct ddsnap_view *view;

	spin_lock_irq(&link->lock);
	view = ddsnap_view_get(link->view);
	memcpy(server, link->server, sizeof(link->server));
	spin_unlock_irq(&link->lock);
	return view;
}

/* 0 as well when there is no agent: @server stays what it was. */
static int ask_agent(struct ddsnap_link *link, struct ddsnap_view *view, char *server)
{
	struct socket *agent;
	int err;

	if (ddsnap_view_reopen(view, link->control, &agent))
		return 0;
	err = ddsnap_link_adopt(link, agent);
	if (err)
		return err;
	ddsnap_socket_patience(agent, DDSNAP_AGENT_PATIENCE_S * HZ);
	if (!ask_agent_on(link, agent, link->buffer, server))
		keep_server(link, server);
	ddsnap_link_drop(link);
	return 0;
}

int ddsnap_search(struct ddsnap_link *link)
{
	char server[DDSNAP_ADDRESS_BYTES];
	struct ddsnap_view *view = recall(link, server);
	struct socket *sock;
	int err;

	err = ask_agent(link, view, server);
	if (!err)
		err = ddsnap_view_reopen(view, server, &sock);
	ddsnap_view_put(view);
	return err ? err : ddsnap_link_adopt(link, sock);
}
