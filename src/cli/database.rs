//! Commands about the database itself: `dead`, `backup`, `restore`, `check`.
